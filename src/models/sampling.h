// Latent vectors that a seed stands for, and pixels from a generator: what training's grids and
// `valley sample` share.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "models/model.h"

namespace valley {

// Row i is the latent vector of seeds[i]: float [n, latent] on `device`, U(-1, 1), Philox stream
// kSampleLatent.
[[nodiscard]] at::Tensor latents_of_seeds(std::span<const std::uint64_t> seeds, std::int64_t latent,
                                          at::Device device);

// `steps` vectors from row 0 of a [2, latent] pair to row 1, ends included, on a straight line:
// [steps, latent].
[[nodiscard]] at::Tensor interpolate(const at::Tensor& pair, std::int64_t steps);

// uint8 [n, H, W, C] on the host, generated in passes of at most `batch`, without gradients.
[[nodiscard]] at::Tensor generate_pixels(const Generator& generator, const at::Tensor& latents,
                                         std::int64_t batch = 64);

// Mean over all pairs of images of the mean absolute difference of their pixels, in units of the
// full range (0..1): how varied a set is. pixels: uint8 [n, H, W, C] on the host, n >= 2.
[[nodiscard]] double mean_pairwise_distance(const at::Tensor& pixels);

}  // namespace valley
