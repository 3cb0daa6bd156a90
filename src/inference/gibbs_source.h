// Samples of a deep belief network: Gibbs chains in its top RBM, then a top-down pass to the
// pixels.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "inference/sample_source.h"
#include "methods/dbn/networks.h"

namespace valley {

inline constexpr std::int64_t kGibbsSteps = 1000;

struct GibbsSettings {
  std::int64_t steps = kGibbsSteps;
  std::optional<std::int64_t> label;  // class that label units are fixed to; nullopt: drawn
  bool draws_pixels = false;          // true: sampled pixels, false: mean pixels
};

// Error kUsage for an invalid number of steps, and for a label that `dbn`, the model of `saved`,
// does not have as a label unit.
void check_gibbs(const GibbsSettings& settings, const SavedModel& saved,
                 const DeepBeliefNetwork& dbn);

class GibbsSampler {
 public:
  // `dbn`, on `device`, must outlive it.
  GibbsSampler(const DeepBeliefNetwork& dbn, const GibbsSettings& settings, at::Device device);

  // Called with the images after each requested number of steps.
  using Watch = std::function<void(std::int64_t steps_done, const at::Tensor& images)>;

  // Images of the chains of seeds [first, first + n): float [n, C, H, W] in [0, 1]. The visible
  // units of the top RBM start as drawn from their biases. Chain i takes its random numbers from
  // Philox streams kSampleChain, kSampleNoise (Gaussian units) and kSampleLayers (layers below the
  // top) at position i, with key 0. Image i is bitwise independent of the other seeds, because
  // chains run in blocks of 32 with fixed positions.
  [[nodiscard]] at::Tensor images(std::uint64_t first, std::int64_t n) const;

  // The same, and calls `watch` after each of `steps`, which ascend from 0 to the settings' steps.
  [[nodiscard]] at::Tensor images(std::uint64_t first, std::int64_t n,
                                  const std::vector<std::int64_t>& steps, const Watch& watch) const;

 private:
  void block(std::uint64_t first, const std::vector<std::int64_t>& steps, const Watch& watch) const;
  [[nodiscard]] at::Tensor down(const at::Tensor& mean, const at::Tensor& state,
                                std::uint64_t first) const;
  [[nodiscard]] at::Tensor position(std::uint64_t first) const;
  const DeepBeliefNetwork& dbn_;
  GibbsSettings settings_;
  at::Device device_;
};

[[nodiscard]] std::unique_ptr<SampleSource> make_gibbs_source(const DeepBeliefNetwork& dbn,
                                                              const GibbsSettings& settings,
                                                              at::Device device);

}  // namespace valley
