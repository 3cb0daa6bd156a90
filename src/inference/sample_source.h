// Samples of a model by seed: sample i depends on i only.
//
// To add a kind of model: implement SampleSource and add a case to make_sample_source.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "inference/saved_model.h"
#include "nn/sampling.h"

namespace valley {

class SampleSource {
 public:
  virtual ~SampleSource() = default;

  // Pixels of the samples with seeds [first, first + n): uint8 [n, H, W, C] on the host. Equal
  // calls give equal bits; the same seeds in other batches may round differently. Thread-safe on
  // CPUs; with a GPU only the thread that created the source may call.
  [[nodiscard]] virtual at::Tensor pixels(std::uint64_t first, std::int64_t n) const = 0;

  // Class of the sample with this seed; -1: none, or not known.
  [[nodiscard]] virtual std::int64_t label(std::uint64_t /*seed*/) const { return -1; }

  [[nodiscard]] virtual at::Device device() const { return at::kCPU; }  // device of the computation
};

// The class of the sample with a seed.
using ClassOfSeed = std::function<std::int64_t(std::uint64_t seed)>;
[[nodiscard]] ClassOfSeed one_class(std::int64_t label);

// Samples by the network "generator" of a model on `device`, which must outlive the source. A
// conditional one draws the classes of `class_of`, or without it those of labels_from_seeds.
[[nodiscard]] std::unique_ptr<SampleSource> make_generator_source(const Model& model,
                                                                  const LatentDraw& draw,
                                                                  at::Device device,
                                                                  ClassOfSeed class_of = {});

// Samples of a saved model, which must outlive the source: by its generator; for an energy by
// Langevin chains (inference/chain_source.h), by default of the length of training's chains; for a
// deep belief network by Gibbs chains (inference/gibbs_source.h), by default of kGibbsSteps.
// `chain_steps` sets their length. `class_of` is for models with classes other than deep belief
// networks. Error kData naming the file of a model that cannot be sampled.
[[nodiscard]] std::unique_ptr<SampleSource> make_sample_source(
    const SavedModel& saved, at::Device device,
    std::optional<std::int64_t> chain_steps = std::nullopt, ClassOfSeed class_of = {});

}  // namespace valley
