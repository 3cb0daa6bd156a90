// Default settings of Langevin chains on the energy of any saved model.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <span>

#include "inference/image_energy.h"
#include "inference/saved_model.h"
#include "samplers/langevin.h"

namespace valley {

// Settings from the command line; the others are chosen for the model.
struct ChainRequest {
  std::optional<std::int64_t> steps;
  std::optional<double> step_size;
  std::optional<double> noise;
  std::optional<double> clamp;
};

// For an energy that was trained by chains, the settings of trained_chain_settings
// (inference/chain_source.h). The scale of other energies differs by orders of magnitude: 200 steps
// with noise 0.005 and a step size for which the RMS change of a pixel in the first step from
// uniform noise is kFirstMove, clamped to four times that. A requested step size disables the
// default clamp. Error kUsage for invalid settings.
inline constexpr double kFirstMove = 0.02;
[[nodiscard]] LangevinSettings make_chain_settings(const SavedModel& saved,
                                                   const ImageEnergy& energy,
                                                   const ChainRequest& request);

// Initial uniform noise of the chains of seeds [first, first + n), from Philox stream
// kSampleLatent: float [n, C, H, W] on `device`, channels_last.
[[nodiscard]] at::Tensor noise_images(std::uint64_t first, std::int64_t n,
                                      const ModelOptions& options, at::Device device);

}  // namespace valley
