#include "plan/matrix_speed.h"

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

double product_flops(std::int64_t n) { return 2 * std::pow(static_cast<double>(n), 3); }

at::Tensor square_of_ones(std::int64_t n, at::Device device, at::ScalarType type) {
  return at::ones({n, n},
                  at::TensorOptions(device).dtype(kernels::product_type(type, device.type())));
}

}  // namespace

double matrix_speed(at::Device device, at::ScalarType type) {
  const std::int64_t n = device.is_cuda() ? 8192 : 2048;
  const at::Tensor a = square_of_ones(n, device, type);
  double fastest = time_product(a, a);
  for (int i = 1; i < kTries; ++i) fastest = std::min(fastest, time_product(a, a));
  return product_flops(n) / fastest;
}

// Small products do not reach the peak of many cores, and large ones take too long on few.
double quick_matrix_speed(at::ScalarType type, double seconds) {
  constexpr std::int64_t kLargest = 2048;
  constexpr double kShort = 0.05;  // share of `seconds`; longer products can be timed well
  std::int64_t n = 512;
  at::Tensor a = square_of_ones(n, at::kCPU, type);
  double left = seconds - time_product(a, a);  // the first one wakes threads and loads libraries
  double peak = 0;
  for (double last = 0; peak == 0 || last <= left;) {
    last = time_product(a, a);
    left -= last;
    peak = std::max(peak, product_flops(n) / last);
    if (last > kShort * seconds || n >= kLargest) continue;
    n *= 2;
    a = square_of_ones(n, at::kCPU, type);
    last *= 8;  // the next one is that much larger
  }
  return peak;
}

}  // namespace valley
