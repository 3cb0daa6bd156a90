// Latent vectors from seeds and pixels from generators, for training's sample grids and `valley
// sample`.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "core/philox.h"
#include "kernels/kernels.h"
#include "nn/model.h"

namespace valley {

// Distribution of latent vectors: `size` elements from U(-1, 1), or N(0, 1) if `normal`.
struct LatentDraw {
  std::int64_t size = 64;
  bool normal = false;
};
[[nodiscard]] LatentDraw latent_draw(const ModelOptions& options);

// Fills row i of z [B, size] from Philox `stream` with `seed` at position + offset + i.
void fill_latents(const at::Tensor& z, const LatentDraw& draw, std::uint64_t seed,
                  RandomStream stream, const at::Tensor& position, std::int64_t offset);

// Row i is the latent vector of seeds[i]: float [n, size] on `device`, from Philox stream
// kSampleLatent.
[[nodiscard]] at::Tensor latents_from_seeds(std::span<const std::uint64_t> seeds,
                                            const LatentDraw& draw, at::Device device);

// The class of a seed's sample unless one is chosen: seed modulo `labels`, so that consecutive
// seeds cycle through the classes; and those of many seeds, int64 [n] on `device`, undefined if
// `labels` is 0.
[[nodiscard]] std::int64_t label_from_seed(std::uint64_t seed, std::int64_t labels);
[[nodiscard]] at::Tensor labels_from_seeds(std::span<const std::uint64_t> seeds,
                                           std::int64_t labels, at::Device device);

// Converts pixels uint8 [B, H, W, C] to images [B, C, H, W] in `range`, on the same device.
// `mirror`, `position`, `offset`: see kernels::images_from_bytes.
[[nodiscard]] at::Tensor images_from_pixels(const at::Tensor& pixels, PixelRange range,
                                            const kernels::Mirror& mirror,
                                            const at::Tensor& position, std::int64_t offset);

// Convert images from `range` to [-1, 1], and back.
[[nodiscard]] at::Tensor to_symmetric(const at::Tensor& images, PixelRange range);
[[nodiscard]] at::Tensor from_symmetric(const at::Tensor& images, PixelRange range);

// Linear interpolation from row 0 to row 1 of `pair` [2, latent], both included: [steps, latent].
[[nodiscard]] at::Tensor interpolate(const at::Tensor& pair, std::int64_t steps);

// While this lives, forward passes of the network use the running moments of batch norm and do not
// change them. Threads must not construct or destroy it concurrently for one network.
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

// Sets the running moments of batch norm in `generator` to the mean of the batch moments over at
// least `images` latent vectors, of seeds `first_seed`, `first_seed` + 1, ..., in batches of
// `batch`, with the classes of labels_from_seeds. The result depends on the weights, not on the
// previous moments. Does nothing without batch norm. Needed for averaged weights, whose activations
// do not have the averaged moments (BigGAN's "standing statistics", Brock et al. 2019, appendix D).
void estimate_running_moments(const Generator& generator, const LatentDraw& draw,
                              std::uint64_t first_seed, std::int64_t images, std::int64_t batch);

// Pixels uint8 [n, H, W, C] on the host from the network "generator" of `model`, in one forward
// pass without gradients. `labels`: see Network; undefined exactly for unconditional models.
// Thread-safe while a RunningMoments lives. Error kData naming the model's
// origin, if known, if a value is not finite.
[[nodiscard]] at::Tensor pixels_from_latents(const Model& model, const at::Tensor& latents,
                                             const at::Tensor& labels = {});

// The same in batches of at most `batch`, with the running moments of batch norm.
[[nodiscard]] at::Tensor generate_pixels(const Model& model, const at::Tensor& latents,
                                         std::int64_t batch = 64, const at::Tensor& labels = {});

// Diversity of images: mean over all pairs of the RMS difference of their values, as a share of the
// full range. pixels: uint8 [n, H, W, C] on the host, n >= 2.
[[nodiscard]] double mean_pairwise_distance(const at::Tensor& pixels);

}  // namespace valley
