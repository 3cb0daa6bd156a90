// Energies of images under an autoencoder. Each has its own unit; a margin is valid only for the
// energy it was set for.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/config.h"

namespace valley {

// Energy of an image, from its reconstruction, over C, H, W.
enum class Energy {
  kL1Mean,  // mean of abs(reconstruction - image) (BEGAN, equation 1)
  kL2Norm,  // Euclidean norm of the difference, not squared (EBGAN)
  kL2Sum,   // sum of the squared differences (MAGAN)
  kMse,     // mean of the squared differences
};

// Binds objective.energy.
void add_energy_key(Schema& schema, std::string& energy);

[[nodiscard]] std::vector<std::string> energy_names();  // "l1_mean", "l2_norm", "l2_sum", "mse"
// Error kConfig for other names.
[[nodiscard]] Energy parse_energy(const std::string& name);

// Energy per sample: image, reconstruction [B, C, H, W]; returns [B]. Differentiable in both.
[[nodiscard]] at::Tensor sample_energies(Energy energy, const at::Tensor& image,
                                         const at::Tensor& reconstruction);

// Converts a margin given as the RMSE per pixel value to the unit of `energy`: the energy of an
// image [channels, height, width] whose values are all off by `rmse`.
[[nodiscard]] double margin_from_rmse(Energy energy, double rmse, std::int64_t channels,
                                      std::int64_t height, std::int64_t width);

// Mean of `l1_mean` over the batch, in one pass over memory: image, reconstruction [B, C, H, W],
// float or bfloat16; returns float []. Differentiable in both, without second derivatives.
[[nodiscard]] at::Tensor mean_l1_energy(const at::Tensor& image, const at::Tensor& reconstruction);

}  // namespace valley
