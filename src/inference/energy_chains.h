// Langevin chains on the energy of any saved model: how they move where nobody says it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <span>

#include "inference/image_energy.h"
#include "inference/saved_model.h"
#include "samplers/langevin.h"

namespace valley {

// What a user asked for; the rest is the model's.
struct ChainRequest {
  std::optional<std::int64_t> steps;
  std::optional<double> step_size;
  std::optional<double> noise;
  std::optional<double> clamp;
};

// Of an energy that was trained by chains: what chain_settings (inference/chain_source.h) says. Of
// others, whose units differ by orders of magnitude: 200 steps, each of which moves a pixel by
// kFirstMove in the root mean square where chains begin, in noise, and by no more than four times
// that; noise 0.005. A step size that is asked for comes with no clamp unless one is asked for too.
// Error kUsage for what chains cannot take.
inline constexpr double kFirstMove = 0.02;
[[nodiscard]] LangevinSettings chain_settings_of(const SavedModel& saved, const ImageEnergy& energy,
                                                 const ChainRequest& request);

// Uniform noise in which the chain of seed `first` + i begins: float [n, C, H, W] on `device`,
// channels_last, from Philox stream kSampleLatent, as make_chain_source has it.
[[nodiscard]] at::Tensor noise_images(std::uint64_t first, std::int64_t n,
                                      const ModelOptions& options, at::Device device);

}  // namespace valley
