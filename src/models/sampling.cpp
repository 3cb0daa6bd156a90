#include "models/sampling.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/pdist.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "kernels/kernels.h"

namespace valley {

at::Tensor latents_of_seeds(std::span<const std::uint64_t> seeds, std::int64_t latent,
                            at::Device device) {
  at::Tensor z = at::empty({static_cast<std::int64_t>(seeds.size()), latent}, at::kFloat);
  for (std::size_t i = 0; i < seeds.size(); ++i) {
    const at::Tensor position = at::full({}, static_cast<std::int64_t>(seeds[i]), at::kLong);
    kernels::fill_uniform(z.narrow(0, static_cast<std::int64_t>(i), 1),
                          {0, RandomStream::kSampleLatent, -1.0F, 1.0F}, position, 0);
  }
  return z.to(device);
}

at::Tensor interpolate(const at::Tensor& pair, std::int64_t steps) {
  const at::Tensor t = at::linspace(0, 1, steps, pair.options()).unsqueeze(1);
  return pair[0] * (1 - t) + pair[1] * t;
}

at::Tensor generate_pixels(const Generator& generator, const at::Tensor& latents,
                           std::int64_t batch) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> parts;
  for (std::int64_t i = 0; i < latents.size(0); i += batch) {
    const at::Tensor z = latents.narrow(0, i, std::min(batch, latents.size(0) - i));
    parts.push_back(kernels::bytes_from_images(generator.generate(z)).to(at::kCPU));
  }
  return at::cat(parts);
}

double mean_pairwise_distance(const at::Tensor& pixels) {
  VALLEY_CHECK(pixels.size(0) >= 2);
  const at::Tensor flat = pixels.flatten(1).to(at::kFloat) / 255.0;
  return at::pdist(flat, 2.0).mean().item<double>() / std::sqrt(static_cast<double>(flat.size(1)));
}

}  // namespace valley
