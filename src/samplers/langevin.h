// Langevin chains: images that slide down an energy while noise keeps them moving.
//
// Every number that a chain draws is a function of (seed, stream, position of the sample, step):
// chains do not depend on which others run beside them, on ranks, or on what ran before. Nothing
// here waits for the device.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

#include "core/philox.h"
#include "nn/model.h"

namespace valley {

// Images are in [0, 1]; after each step every pixel is clipped to that. A step is
//   x <- x + noise * n;  x <- x - step_size * clamp(grad E(x), -clamp, clamp)     n ~ N(0, 1)
// in this order, as the authors of IGEBM (Du & Mordatch 2019, arXiv 1903.08689) wrote it, so that
// what a chain ends with has just gone down. With `noise_last` the two halves change places, as the
// unadjusted Langevin algorithm has them.
struct LangevinSettings {
  std::int64_t steps = 60;
  double step_size = 10;
  double noise = 0.005;  // standard deviation
  double clamp = 0.01;   // of each element of the gradient; 0: none
  bool noise_last = false;
};

// Those settings with the step that noise and temperature ask for: step_size = noise^2 / (2
// temperature) and the noise last, for which x samples exp(-E / temperature) as noise goes to 0
// (where neither clamp nor clipping bind).
[[nodiscard]] LangevinSettings coupled(LangevinSettings settings, double temperature);

// The most steps that chains of images of `numbers` values (C * H * W) can take: beyond it the
// counter of their noise would begin again.
[[nodiscard]] std::int64_t most_langevin_steps(std::int64_t numbers);

// Whose noise is drawn: row i of a batch is position + offset + i.
struct ChainPlace {
  std::uint64_t seed = 0;
  RandomStream stream = RandomStream::kLangevin;
  at::Tensor position;  // int64 [] on the device
  std::int64_t offset = 0;
};

// What chains go down: of float [B, C, H, W] in [0, 1] the energies [B], each image's own and
// differentiable in it. Parameters are frozen.
using EnergyFunction = std::function<at::Tensor(const at::Tensor& images)>;

// What chains heed beside their energy; all of it may be left out.
struct ChainRules {
  // bool, of a shape that broadcasts to [B, C, H, W]: where it is true, pixels keep what they start
  // with, to the bit, whatever gradient and noise say.
  at::Tensor held{};
  // Changes the images in place at the end of each step, before they are clipped to [0, 1].
  std::function<void(const at::Tensor& images)> amend{};
  // Is shown the images before the first step (0 steps done) and after each.
  std::function<void(std::int64_t steps_done, const at::Tensor& images)> watch{};
};

struct Chains {
  at::Tensor images;  // float [B, C, H, W], channels_last, in [0, 1]
  at::Tensor
      gradient_norms;  // float [B]: Euclidean norm of grad E before the clamp, mean over steps
};

// Runs chains from `start` (float [B, C, H, W], which is not written). No gradient of a parameter
// is computed, whether they are trainable or not. steps >= 1 and at most most_langevin_steps.
[[nodiscard]] Chains run_langevin(const EnergyNetwork& network, const at::Tensor& start,
                                  const LangevinSettings& settings, const ChainPlace& place);

// The same of any energy. Without rules, and of a network's energy, the bits are those of the
// above.
[[nodiscard]] Chains run_langevin(const EnergyFunction& energy, const at::Tensor& start,
                                  const LangevinSettings& settings, const ChainPlace& place,
                                  const ChainRules& rules = {});

// d(sum of energies)/d(images): float [B, C, H, W], each image's own gradient.
[[nodiscard]] at::Tensor energy_gradient(const EnergyFunction& energy, const at::Tensor& images);

}  // namespace valley
