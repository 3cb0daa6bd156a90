// Latent vectors that a seed stands for, and pixels from a generator: what training's grids and
// `valley sample` share.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "core/philox.h"
#include "kernels/kernels.h"
#include "nn/model.h"

namespace valley {

// How latent vectors are drawn: `size` numbers from U(-1, 1), or from N(0, 1).
struct LatentDraw {
  std::int64_t size = 64;
  bool normal = false;
};
[[nodiscard]] LatentDraw latent_draw(const ModelOptions& options);

// Fills row i of z [B, size] for position + offset + i, by Philox with `seed` and `stream`.
void fill_latents(const at::Tensor& z, const LatentDraw& draw, std::uint64_t seed,
                  RandomStream stream, const at::Tensor& position, std::int64_t offset);

// Row i is the latent vector of seeds[i]: float [n, size] on `device`, Philox stream kSampleLatent.
[[nodiscard]] at::Tensor latents_of_seeds(std::span<const std::uint64_t> seeds,
                                          const LatentDraw& draw, at::Device device);

// Pixels uint8 [B, H, W, C] as images [B, C, H, W] of a model's range, on the same device;
// kernels::images_from_bytes has `mirror`, `position` and `offset`.
[[nodiscard]] at::Tensor images_of_pixels(const at::Tensor& pixels, PixelRange range,
                                          const kernels::Mirror& mirror, const at::Tensor& position,
                                          std::int64_t offset);

// Images of a model as images of the range [-1, 1], and back.
[[nodiscard]] at::Tensor to_symmetric(const at::Tensor& images, PixelRange range);
[[nodiscard]] at::Tensor from_symmetric(const at::Tensor& images, PixelRange range);

// `steps` vectors from row 0 of a [2, latent] pair to row 1, ends included, on a straight line:
// [steps, latent].
[[nodiscard]] at::Tensor interpolate(const at::Tensor& pair, std::int64_t steps);

// The passes through a network take the running moments of batch norm and leave them alone for as
// long as this lives. Not while another thread starts or ends it for the same network.
class RunningMoments {
 public:
  explicit RunningMoments(const Network& network);
  ~RunningMoments();
  RunningMoments(const RunningMoments&) = delete;
  RunningMoments& operator=(const RunningMoments&) = delete;

 private:
  const Network& network_;
  PassContext before_;
};

// Sets the running moments of batch norm in `generator` to the mean over the batches of
// `first_seed`, `first_seed` + 1, ... of their moments, as training's forward passes take them: at
// least `images` latent vectors, in batches of `batch` images. The result depends on the weights
// alone, not on the moments from before. Does nothing where there is no batch norm.
// Weights that were averaged have activations of their own, for which averaged moments are wrong
// (BigGAN's "standing statistics", Brock et al. 2019, appendix D).
void estimate_running_moments(const Generator& generator, const LatentDraw& draw,
                              std::uint64_t first_seed, std::int64_t images, std::int64_t batch);

// uint8 [n, H, W, C] on the host, by the network "generator" of `model` in one pass without
// gradients. Under RunningMoments several threads may call. Error kData naming the model's origin,
// if it has one, where a value is not finite.
[[nodiscard]] at::Tensor pixels_of_latents(const Model& model, const at::Tensor& latents);

// The same in passes of at most `batch`, with the running moments of batch norm.
[[nodiscard]] at::Tensor generate_pixels(const Model& model, const at::Tensor& latents,
                                         std::int64_t batch = 64);

// Mean over all pairs of images of the RMS difference of their values, in units of the full range
// (0..1): how varied a set is. pixels: uint8 [n, H, W, C] on the host, n >= 2.
[[nodiscard]] double mean_pairwise_distance(const at::Tensor& pixels);

}  // namespace valley
