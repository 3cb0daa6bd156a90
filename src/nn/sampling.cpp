#include "nn/sampling.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/pdist.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/error.h"
#include "kernels/kernels.h"

namespace valley {

LatentDraw latent_draw(const ModelOptions& options) {
  return {options.latent, options.latent_distribution == "normal"};
}

void fill_latents(const at::Tensor& z, const LatentDraw& draw, std::uint64_t seed,
                  RandomStream stream, const at::Tensor& position, std::int64_t offset) {
  if (draw.normal) {
    kernels::fill_normal(z, {seed, stream, 1.0F, 0}, position, offset);
  } else {
    kernels::fill_uniform(z, {seed, stream, -1.0F, 1.0F}, position, offset);
  }
}

at::Tensor latents_from_seeds(std::span<const std::uint64_t> seeds, const LatentDraw& draw,
                              at::Device device) {
  at::Tensor z = at::empty({static_cast<std::int64_t>(seeds.size()), draw.size}, at::kFloat);
  for (std::size_t i = 0; i < seeds.size(); ++i) {
    const at::Tensor position = at::full({}, static_cast<std::int64_t>(seeds[i]), at::kLong);
    fill_latents(z.narrow(0, static_cast<std::int64_t>(i), 1), draw, 0, RandomStream::kSampleLatent,
                 position, 0);
  }
  return z.to(device);
}

std::int64_t label_from_seed(std::uint64_t seed, std::int64_t labels) {
  return static_cast<std::int64_t>(seed % static_cast<std::uint64_t>(labels));
}

at::Tensor labels_from_seeds(std::span<const std::uint64_t> seeds, std::int64_t labels,
                             at::Device device) {
  if (labels == 0) return {};
  at::Tensor classes = at::empty({static_cast<std::int64_t>(seeds.size())}, at::kLong);
  auto* out = classes.mutable_data_ptr<std::int64_t>();
  for (const std::uint64_t seed : seeds) *out++ = label_from_seed(seed, labels);
  return classes.to(device);
}

at::Tensor interpolate(const at::Tensor& pair, std::int64_t steps) {
  const at::Tensor t = at::linspace(0, 1, steps, pair.options()).unsqueeze(1);
  return pair[0] * (1 - t) + pair[1] * t;
}

at::Tensor images_from_pixels(const at::Tensor& pixels, PixelRange range,
                              const kernels::Mirror& mirror, const at::Tensor& position,
                              std::int64_t offset) {
  // A separate allocation, which LibTorch aligns to 64 bytes: matrix libraries choose kernels by
  // alignment.
  const at::Tensor images =
      at::empty({pixels.size(0), pixels.size(3), pixels.size(1), pixels.size(2)},
                at::device(pixels.device()).dtype(at::kFloat), at::MemoryFormat::ChannelsLast);
  kernels::images_from_bytes(pixels, images, mirror, position, offset);
  return from_symmetric(images, range);
}

at::Tensor to_symmetric(const at::Tensor& images, PixelRange range) {
  return range == PixelRange::kUnit ? images * 2 - 1 : images;
}

at::Tensor from_symmetric(const at::Tensor& images, PixelRange range) {
  return range == PixelRange::kUnit ? (images + 1) * 0.5 : images;
}

RunningMoments::RunningMoments(const Network& network)
    : network_(network), before_(std::exchange(network.context(), PassContext{})) {}

RunningMoments::~RunningMoments() { network_.context() = before_; }

void estimate_running_moments(const Generator& generator, const LatentDraw& draw,
                              std::uint64_t first_seed, std::int64_t images, std::int64_t batch) {
  std::vector<at::Tensor> moments;
  for (const Buffer& b : generator.parameters().buffers()) {
    if (b.kind == Buffer::Kind::kStatistic) moments.push_back(b.value);
  }
  if (moments.empty()) return;
  const at::NoGradGuard no_grad;
  for (at::Tensor& running : moments) {
    running.zero_();
    running.mutable_grad() = at::zeros_like(running);
  }
  const std::int64_t batches = (images + batch - 1) / batch;
  const RunningMoments restored_afterwards(generator);
  generator.context() = {true, 1.0 / static_cast<double>(batches)};
  std::vector<std::uint64_t> seeds(static_cast<std::size_t>(batch));
  for (std::int64_t i = 0; i < batches; ++i) {
    std::iota(seeds.begin(), seeds.end(), first_seed + static_cast<std::uint64_t>(i * batch));
    const at::Device device = moments.front().device();
    static_cast<void>(generator.generate(latents_from_seeds(seeds, draw, device),
                                         labels_from_seeds(seeds, generator.labels(), device)));
  }
  for (at::Tensor& running : moments) {
    running.copy_(running.grad());
    running.mutable_grad().reset();
  }
}

namespace {

// Without this check, values that are not finite would become byte 0: black images.
void require_finite_images(const at::Tensor& images, const std::string& file) {
  const at::Tensor bad = at::isfinite(images).flatten(1).all(1).logical_not();
  if (!bad.any().item<bool>()) return;
  throw Error(ExitCode::kData,
              "{}: {} of {} generated images have values that are not finite; use an earlier "
              "checkpoint",
              file, bad.sum().item<std::int64_t>(), images.size(0));
}

}  // namespace

at::Tensor pixels_from_latents(const Model& model, const at::Tensor& latents,
                               const at::Tensor& labels) {
  const at::NoGradGuard no_grad;
  const auto& generator = dynamic_cast<const Generator&>(model.network("generator"));
  const at::Tensor images = to_symmetric(generator.generate(latents, labels), model.pixel_range());
  if (!model.origin().empty()) require_finite_images(images, model.origin());
  return kernels::bytes_from_images(images).to(at::kCPU);
}

at::Tensor generate_pixels(const Model& model, const at::Tensor& latents, std::int64_t batch,
                           const at::Tensor& labels) {
  const RunningMoments moments(model.network("generator"));
  std::vector<at::Tensor> parts;
  for (std::int64_t i = 0; i < latents.size(0); i += batch) {
    const std::int64_t n = std::min(batch, latents.size(0) - i);
    parts.push_back(pixels_from_latents(model, latents.narrow(0, i, n),
                                        labels.defined() ? labels.narrow(0, i, n) : at::Tensor()));
  }
  return at::cat(parts);
}

double mean_pairwise_distance(const at::Tensor& pixels) {
  VALLEY_CHECK(pixels.size(0) >= 2);
  const at::Tensor flat = pixels.flatten(1).to(at::kFloat) / 255.0;
  return at::pdist(flat, 2.0).mean().item<double>() / std::sqrt(static_cast<double>(flat.size(1)));
}

}  // namespace valley
