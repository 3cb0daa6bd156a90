// A trainer small enough for unit tests: 32x32 images, a few filters, a batch of 8.
#pragma once

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <memory>

#include "comm/communicator.h"
#include "methods/began/options.h"
#include "methods/ebm/options.h"
#include "train/trainer.h"

namespace valley::testing {

// Size of the synthetic data set: with batches of 8 some batches span two epochs.
inline constexpr std::uint64_t kImages = 21;

inline Experiment small_experiment() {
  Experiment e;
  e.model.resolution = 32;
  e.model.width = 4;
  e.model.latent = 6;
  e.model.hidden = 6;
  e.objective.as<BeganOptions>().lambda_k = 0.05;
  e.train.global_batch = 8;
  e.train.seed = 3;
  e.train.ema_half_life = 32;
  e.optimizer.lr = 1e-3;
  return e;
}

// Kinds of network buffers.
enum class BufferKind { kBatchNorm, kCarry, kSingularVectors };
inline constexpr std::int64_t kCarrySteps = 6;

inline Experiment experiment_with(BufferKind kind) {
  Experiment e = small_experiment();
  if (kind == BufferKind::kCarry) e.model.vanishing_residuals = kCarrySteps;
  if (kind == BufferKind::kBatchNorm) {
    e.model.name = "ebgan";
    e.model.output = "tanh";
    e.model.batch_norm = true;
  }
  if (kind == BufferKind::kSingularVectors) {
    const std::int64_t width = e.model.width;
    e.model = Experiment::with_defaults_of("ebm").model;
    e.model.resolution = 32;
    e.model.width = width;
    e.objective.name = "ebm";
    e.objective.as<EbmOptions>().langevin_steps = 2;
    e.objective.as<EbmOptions>().replay_size = 16;
  }
  return e;
}

// The global batch of a step, the same on every rank: uint8 [8, 32, 32, 3].
inline at::Tensor global_batch(std::int64_t step) {
  const auto generator = at::detail::createCPUGenerator(static_cast<std::uint64_t>(100 + step));
  return at::randint(0, 256, {8, 32, 32, 3}, generator, at::kInt).to(at::kByte);
}

// Classes of its images, of 3; only conditional models read them.
inline at::Tensor global_labels(std::int64_t step) {
  return (at::arange(8, at::kLong) * 2 + step) % 3;
}

inline void run_steps(Trainer& trainer, int rank, std::int64_t steps) {
  for (std::int64_t i = 0; i < steps; ++i) {
    const std::int64_t share = trainer.plan().share();
    const std::int64_t step = trainer.steps_done();
    trainer.step(global_batch(step).narrow(0, rank * share, share).contiguous(), false,
                 global_labels(step).narrow(0, rank * share, share).contiguous());
  }
}

// Compares names, and tensors bitwise.
inline void expect_same(const TensorMap& got, const TensorMap& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (const auto& [name, tensor] : expected) EXPECT_TRUE(at::equal(got.at(name), tensor)) << name;
}

}  // namespace valley::testing
