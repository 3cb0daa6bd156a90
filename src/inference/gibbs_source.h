// Samples of a deep belief network: the Gibbs chain of its top machine, then down to the pixels.
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
  std::optional<std::int64_t> label;  // what label units are held at; else they are drawn too
  bool draws_pixels = false;          // states of the pixels instead of their means
};

// Error kUsage for numbers of steps that chains cannot take and for a label that `saved`, whose
// model is `dbn`, does not have: one without label units has none to hold.
void check_gibbs(const GibbsSettings& settings, const SavedModel& saved,
                 const DeepBeliefNetwork& dbn);

class GibbsSampler {
 public:
  // `dbn`, on `device`, must outlive it.
  GibbsSampler(const DeepBeliefNetwork& dbn, const GibbsSettings& settings, at::Device device);

  // Is shown images where chains have done as many steps as asked for.
  using Watch = std::function<void(std::int64_t steps_done, const at::Tensor& images)>;

  // Images of the chains of seeds [first, first + n): float [n, C, H, W] in [0, 1]. Chain i begins
  // with visible units of the top machine drawn from their biases alone and moves as Philox stream
  // kSampleChain (kSampleNoise: Gaussian units) says at position i with key 0; hidden layers below
  // the top are drawn from kSampleLayers. Image i is a function of i and the settings: chains run
  // in blocks of 32 whose places are fixed, so that no other seeds change a bit of it.
  [[nodiscard]] at::Tensor images(std::uint64_t first, std::int64_t n) const;

  // The same, showing `watch` the chains after `steps` (rising, from 0 to the settings' own).
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
