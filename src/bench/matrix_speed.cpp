#include "bench/matrix_speed.h"

#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "kernels/device.h"
#include "kernels/product_type.h"

namespace valley {
namespace {

constexpr int kTries = 8;

double time_product(const at::Tensor& a, const at::Tensor& b) {
  const auto began = std::chrono::steady_clock::now();
  const at::Tensor product = at::matmul(a, b);
  synchronize(a.device());
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

}  // namespace

double matrix_speed(at::Device device, at::ScalarType type) {
  const std::int64_t n = device.is_cuda() ? 8192 : 2048;
  const at::Tensor a =
      at::ones({n, n}, at::TensorOptions(device).dtype(kernels::product_type(type, device.type())));
  double fastest = time_product(a, a);
  for (int i = 1; i < kTries; ++i) fastest = std::min(fastest, time_product(a, a));
  return 2 * std::pow(static_cast<double>(n), 3) / fastest;
}

}  // namespace valley
