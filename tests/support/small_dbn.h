// A small training of a deep belief network through all of its stages: 8 images per step,
// microbatches of 2, epochs of 2 steps.
#pragma once

#include "methods/dbn/options.h"
#include "support/small_training.h"

namespace valley::testing {

inline constexpr std::uint64_t kDigits = 17;  // size of the synthetic data set
inline constexpr std::int64_t kDigitPass = 2;
inline constexpr std::int64_t kClasses = 3;
// Measuring, two epochs per RBM (the first with another momentum), fine-tuning.
inline constexpr std::int64_t kDbnSteps = 2 + 2 * 4 + 4;

inline Experiment small_dbn(bool persistent, bool label_units = false) {
  Experiment e = Experiment::with_defaults_of("dbn");
  e.model.resolution = 16;
  e.model.channels = 1;
  e.model.layers = {6, 5};
  e.model.labels = kClasses;
  e.model.label_units = label_units;
  e.objective.as<DbnOptions>().pretrain_epochs = 2;
  e.objective.as<DbnOptions>().momentum_epochs = 1;
  e.objective.as<DbnOptions>().fine_tune_epochs = 2;
  e.objective.as<DbnOptions>().gibbs_steps = 2;
  e.objective.as<DbnOptions>().persistent_chains = persistent;
  e.train.global_batch = 8;
  e.train.reproducible = true;
  e.train.seed = 3;
  e.train.report_every = 1;
  return e;
}

// The images of a global batch, uint8 [8, 16, 16, 1].
inline at::Tensor digit_batch(std::int64_t step) {
  const auto generator = at::detail::createCPUGenerator(static_cast<std::uint64_t>(300 + step));
  return at::randint(0, 256, {8, 16, 16, 1}, generator, at::kInt).to(at::kByte);
}
inline at::Tensor digit_labels(std::int64_t step) {
  return (at::arange(8, at::kLong) + step) % kClasses;
}

inline void run_digits(Trainer& trainer, int rank, std::int64_t steps) {
  for (std::int64_t i = 0; i < steps; ++i) {
    const std::int64_t share = trainer.plan().share();
    const std::int64_t step = trainer.steps_done();
    trainer.step(digit_batch(step).narrow(0, rank * share, share).contiguous(), false,
                 digit_labels(step).narrow(0, rank * share, share).contiguous());
  }
}

inline Checkpoint dbn_checkpoint(const Trainer& trainer, const Schema& schema) {
  return trainer.snapshot(schema, "data", trainer.gather_owned());
}

// Compares all tensors of the model and of the training state bitwise.
inline void expect_same_checkpoint(const Checkpoint& got, const Checkpoint& expected) {
  expect_same(got.model.tensors, expected.model.tensors);
  expect_same(got.state.tensors, expected.state.tensors);
}

}  // namespace valley::testing
