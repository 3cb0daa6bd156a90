// Measures of validation images (data.validation) during training, and of as many training images.
// A difference that grows is overfitting.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "comm/world.h"
#include "evaluate/blocks.h"
#include "experiment/experiment.h"
#include "run/data.h"
#include "train/trainer.h"

namespace valley {

// Means over the images of each set; energies also have the gap between the sets.
struct RunValidation {
  struct Measure {
    std::string name;  // "free_energy"
    double training = 0;
    double validation = 0;
    double gap = 0;        // validation - training
    double gap_error = 0;  // its standard error
    [[nodiscard]] bool is_energy() const { return name.ends_with("energy"); }
  };
  std::string stage;
  std::int64_t training_images = 0;
  std::int64_t validation_images = 0;
  std::vector<Measure> measures;
};
// One line: "layers.0: free_energy -92.4 (-93.1), ... of 900 validation (900 training) images".
[[nodiscard]] std::string describe(const RunValidation& found);

class RunValidator {
 public:
  // `data` has validation images. train.seed determines which images of each set are measured,
  // throughout the run.
  RunValidator(World& world, const Experiment& experiment, RunData data);

  // True if a validation follows step `step` of `steps`.
  [[nodiscard]] bool is_due(std::int64_t step, std::int64_t steps) const {
    return step % every_ == 0 || step == steps;
  }

  // Collective; the same bits on any number of CPU ranks and threads. Empty in stages without
  // measures. Does not change the training state.
  [[nodiscard]] std::optional<RunValidation> validate(const Trainer& trainer) const;

 private:
  // All measures, double [images, measures], on every rank; sets `names`.
  [[nodiscard]] at::Tensor measure(const Trainer& trainer, const Dataset& data, std::int64_t images,
                                   std::vector<std::string>& names) const;
  [[nodiscard]] ImageMeasures measure_block(const Trainer& trainer, const Dataset& data,
                                            std::int64_t images, std::int64_t block) const;

  World& world_;
  RunData data_;
  std::uint64_t seed_;
  int threads_;
  std::int64_t every_;
  std::int64_t training_images_;
  std::int64_t validation_images_;
};

}  // namespace valley
