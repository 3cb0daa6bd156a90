#include "inference/neighbor_filters.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/full.h>
#include <ATen/ops/median.h>
#include <ATen/ops/replication_pad2d.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>

#include <vector>

namespace valley {
namespace {

constexpr double kFilterGray = 0.5;
constexpr std::int64_t kFilterSize = 3;

// Sums over 3x3 neighborhoods with zero padding.
at::Tensor neighbor_sums(const at::Tensor& x) {
  return at::avg_pool2d(x, kFilterSize, 1, 1, false, true, 1);
}

}  // namespace

at::Tensor fill_unknown(const at::Tensor& images, const at::Tensor& unknown) {
  const at::Tensor nothing = at::full({}, 0.0, at::kFloat);
  at::Tensor open = unknown.clone();
  at::Tensor x = at::where(open, nothing, images);
  while (open.any().item<bool>()) {
    const at::Tensor known = neighbor_sums(open.logical_not().to(at::kFloat));
    const at::Tensor reached = open.logical_and(known > 0);
    if (!reached.any().item<bool>())
      return at::where(open, at::full({}, kFilterGray, at::kFloat), x);
    x = at::where(reached, neighbor_sums(x) / known, x);
    open = open.logical_and(reached.logical_not());
  }
  return x;
}

at::Tensor median_filter(const at::Tensor& images) {
  const at::Tensor padded = at::replication_pad2d(images, {1, 1, 1, 1});
  std::vector<at::Tensor> around;
  for (std::int64_t y = 0; y < kFilterSize; ++y) {
    for (std::int64_t x = 0; x < kFilterSize; ++x)
      around.push_back(padded.narrow(2, y, images.size(2)).narrow(3, x, images.size(3)));
  }
  return std::get<0>(at::median(at::stack(around), 0, false));
}

}  // namespace valley
