#include "inference/filters.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/argsort.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/norm.h>
#include <ATen/ops/sort.h>

#include <algorithm>

#include "core/error.h"
#include "methods/dbn/networks.h"

namespace valley {

Filters compute_filters(const DeepBeliefNetwork& dbn, std::size_t layer, std::int64_t n) {
  constexpr std::int64_t kWeightsPerClipped = 1000;
  constexpr double kMinScale = 1e-30;
  VALLEY_CHECK(layer < dbn.depth());
  const at::NoGradGuard no_grad;
  at::Tensor weights = dbn.rbm(layer).weight().to(at::kCPU);  // [hidden, pixels]
  for (std::size_t i = layer; i > 0; --i)
    weights = at::matmul(weights, dbn.rbm(i - 1).weight().to(at::kCPU));
  const at::Tensor order =
      at::argsort(at::norm(weights, 2, {1}), /*stable=*/true, 0, /*descending=*/true);
  weights = weights.index({order.narrow(0, 0, std::min(n, order.size(0)))});

  const at::Tensor sizes = std::get<0>(at::sort(weights.abs().flatten(), 0, true));
  Filters filters;
  filters.scale = std::max(sizes[sizes.size(0) / kWeightsPerClipped].item<double>(), kMinScale);
  filters.pixels = dbn.as_images(weights / filters.scale * 127.5 + 128)
                       .clamp(0, 255)
                       .to(at::kByte)
                       .permute({0, 2, 3, 1})
                       .contiguous();
  return filters;
}

}  // namespace valley
