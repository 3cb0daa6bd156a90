// Langevin dynamics: chains of images that follow the negative gradient of an energy, with noise.
//
// Every random value of a chain is a function of (seed, stream, sample position, step): chains do
// not depend on the rest of the batch, on ranks, or on earlier chains. No host synchronization.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

#include "core/philox.h"
#include "nn/model.h"

namespace valley {

// Pixels are in [0, 1] and clipped to it after each step. A step is
//   x <- x + noise * n;  x <- x - step_size * clamp(grad E(x), -clamp, clamp)     n ~ N(0, 1)
// in this order, as in the code of IGEBM (Du & Mordatch 2019, arXiv 1903.08689), so that chains end
// with a gradient step. With `noise_last` the noise is added after the gradient step, as in the
// unadjusted Langevin algorithm.
struct LangevinSettings {
  std::int64_t steps = 60;
  double step_size = 10;
  double noise = 0.005;  // standard deviation
  double clamp = 0.01;   // bound of each gradient element; 0: none
  bool noise_last = false;
};

// `settings` with step_size = noise^2 / (2 temperature) and noise_last, so that chains sample
// exp(-E / temperature) as noise goes to 0 (if neither clamp nor clipping is active).
[[nodiscard]] LangevinSettings coupled(LangevinSettings settings, double temperature);

// Max number of steps for images with `elements` = C * H * W values; more would wrap the Philox
// counter of the noise around.
[[nodiscard]] std::int64_t max_langevin_steps(std::int64_t elements);

// Where random values are drawn: row i of a batch at position + offset + i.
struct ChainPlace {
  std::uint64_t seed = 0;
  RandomStream stream = RandomStream::kLangevin;
  at::Tensor position;  // int64 [] on the device
  std::int64_t offset = 0;
};

// Maps images, float [B, C, H, W] in [0, 1], to energies [B]; each depends on its own image only
// and is differentiable in it. Parameters are frozen.
using EnergyFunction = std::function<at::Tensor(const at::Tensor& images)>;

// Optional constraints and callbacks of chains.
struct ChainRules {
  // bool, broadcastable to [B, C, H, W]: pixels where it is true keep their initial values bitwise.
  at::Tensor held{};
  // Changes the images in place at the end of each step, before they are clipped to [0, 1].
  std::function<void(const at::Tensor& images)> amend{};
  // Called with the images before the first step (steps_done = 0) and after each step.
  std::function<void(std::int64_t steps_done, const at::Tensor& images)> watch{};
};

struct Chains {
  at::Tensor images;  // float [B, C, H, W], channels_last, in [0, 1]
  at::Tensor
      gradient_norms;  // float [B]: Euclidean norm of grad E before the clamp, mean over steps
};

// Runs chains from `start`, float [B, C, H, W], which is not modified. Computes no gradients of
// parameters. 1 <= steps <= max_langevin_steps.
[[nodiscard]] Chains run_langevin(const EnergyNetwork& network, const at::Tensor& start,
                                  const LangevinSettings& settings, const ChainPlace& place);

// The same for any energy. For a network's energy without rules the result is bitwise equal.
[[nodiscard]] Chains run_langevin(const EnergyFunction& energy, const at::Tensor& start,
                                  const LangevinSettings& settings, const ChainPlace& place,
                                  const ChainRules& rules = {});

// d(sum of energies)/d(images): float [B, C, H, W], the gradient of each image's energy.
[[nodiscard]] at::Tensor energy_gradient(const EnergyFunction& energy, const at::Tensor& images);

}  // namespace valley
