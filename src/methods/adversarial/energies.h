// Energies of images under an autoencoder. Each has a unit, and a margin is only ever used with the
// energy it was stated for.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/config.h"

namespace valley {

// Of one image and its reconstruction, over C, H, W:
enum class Energy {
  kL1Mean,  // mean of abs(reconstruction - image) (BEGAN, equation 1)
  kL2Norm,  // Euclidean norm of the difference, not squared (EBGAN)
  kL2Sum,   // sum of the squared differences (MAGAN)
  kMse,     // mean of the squared differences
};

// Binds objective.energy.
void add_energy_key(Schema& schema, std::string& energy);

[[nodiscard]] std::vector<std::string> energy_names();  // "l1_mean", "l2_norm", "l2_sum", "mse"
// Error kConfig for a name that is none of them.
[[nodiscard]] Energy parse_energy(const std::string& name);

// The energy of each sample: image, reconstruction [B, C, H, W]; returns [B]. Differentiable in
// both.
[[nodiscard]] at::Tensor sample_energies(Energy energy, const at::Tensor& image,
                                         const at::Tensor& reconstruction);

// The energy of an image of which every number is off by `rmse`: a margin that is stated as the
// root of a pixel's mean squared error, in the unit of `energy`. Images are [channels, height,
// width].
[[nodiscard]] double margin_of_rmse(Energy energy, double rmse, std::int64_t channels,
                                    std::int64_t height, std::int64_t width);

// Mean over the batch of `l1_mean`, in one pass: image, reconstruction [B, C, H, W], of which
// bfloat16 ones are widened; returns float []. Differentiable in both, once.
[[nodiscard]] at::Tensor mean_l1_energy(const at::Tensor& image, const at::Tensor& reconstruction);

}  // namespace valley
