// Paths between latent vectors.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "nn/sampling.h"

namespace valley {

// kSpherical: Shoemake 1985 (Animating Rotation with Quaternion Curves), on the angle between both
// vectors. White 2016 (Sampling Generative Networks, arXiv 1609.04468) proposes it for latents from
// N(0, 1): their norms are all near sqrt(latent), but the middle of a straight line has a norm that
// the generator never saw in training. Points of a straight line between vectors of U(-1, 1) are in
// the cube.
enum class LatentPath { kLinear, kSpherical };
[[nodiscard]] LatentPath default_path(const LatentDraw& draw);

// From row 0 to row 1 of `pair` [2, latent], both included, which are bitwise equal to the rows:
// [steps, latent]. steps >= 2. Vectors in nearly equal or opposite directions are connected by a
// straight line.
[[nodiscard]] at::Tensor interpolate_latents(const at::Tensor& pair, std::int64_t steps,
                                             LatentPath path);

// A row of `steps` points per pair of consecutive `ends` [n, latent], as in interpolate_latents:
// [(n - 1) steps, latent].
[[nodiscard]] at::Tensor walk_rows(const at::Tensor& ends, std::int64_t steps, LatentPath path);

// The same path as frames: `steps` intervals from each end to the next, and no end twice:
// [(n - 1) steps + 1, latent]. `closed`: also back to the first end, which is not repeated:
// [n steps, latent].
[[nodiscard]] at::Tensor walk_frames(const at::Tensor& ends, std::int64_t steps, LatentPath path,
                                     bool closed);
[[nodiscard]] std::int64_t count_walk_frames(std::int64_t ends, std::int64_t steps, bool closed);

}  // namespace valley
