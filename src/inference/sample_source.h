// Where a model's samples come from: image i as a function of i alone, for whatever uses many of
// them.
//
// To let another kind of model be sampled: a SampleSource of its own, and a case in
// make_sample_source.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>

#include "inference/saved_model.h"
#include "nn/sampling.h"

namespace valley {

class SampleSource {
 public:
  virtual ~SampleSource() = default;

  // Pixels of the samples [first, first + n): uint8 [n, H, W, C] on the host. Sample i is that of
  // seed i. The same calls give the same bits; other cuts of the same range may round differently.
  // On CPUs several threads may call at once; with a GPU the thread that made the source calls.
  [[nodiscard]] virtual at::Tensor pixels(std::uint64_t first, std::int64_t n) const = 0;

  [[nodiscard]] virtual at::Device device() const { return at::kCPU; }  // where it computes
};

// Samples by the network "generator" of a model on `device`, which must outlive the source.
[[nodiscard]] std::unique_ptr<SampleSource> make_generator_source(const Model& model,
                                                                  const LatentDraw& draw,
                                                                  at::Device device);

// Samples of a saved model, which must outlive the source: by its generator; of an energy, ends of
// Langevin chains (inference/chain_source.h) of `chain_steps` steps, without it as many as
// training's chains have; of a deep belief network, of Gibbs chains (inference/gibbs_source.h), of
// kGibbsSteps without it. Error kData naming its file where it has nothing to draw samples with.
[[nodiscard]] std::unique_ptr<SampleSource> make_sample_source(
    const SavedModel& saved, at::Device device,
    std::optional<std::int64_t> chain_steps = std::nullopt);

}  // namespace valley
