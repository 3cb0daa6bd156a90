// Interface between losses.cpp and its implementations, in plain pointers as in launch.h:
// cpu_losses.cpp, cuda_losses.cu and, in builds without CUDA, no_cuda.cpp.
#pragma once

#include <cstdint>

#include "core/philox.h"

namespace valley::kernels {

// mean <- the mean of abs(a - b) over n > 0 elements. Summed in slices (sum_slices.h).
struct L1Mean {
  const float* a;
  const float* b;
  std::int64_t n;
  double* partial;  // [slices_of_sum(n)], overwritten
  float* mean;      // []
};

// Gradients of upstream * mean(abs(a - b)): a_gradient <- upstream / n where a > b, -upstream / n
// where a < b, 0 elsewhere; b_gradient <- the negative of that. Either may be null.
struct L1Gradients {
  const float* a;
  const float* b;
  std::int64_t n;
  const float* upstream;  // []
  float* a_gradient;
  float* b_gradient;
};

VALLEY_HOST_DEVICE inline float signed_step(float a, float b, float step) {
  return a > b ? step : (a < b ? -step : 0.0F);
}

// See losses.h.
struct BeganController {
  const float* discriminator;  // sums: real, fake, count
  const float* generator;      // sums: fake, count; null: the generator is trained on D's images
  double* k;                   // []
  double gamma, lambda;
  double* values;  // [5]
};

// One operation at a time, rounded as by separate ATen operators if the compiler contracts none.
VALLEY_HOST_DEVICE inline void began_control(const BeganController& c) {
  const double real = static_cast<double>(c.discriminator[0]) / c.discriminator[2];
  const double fake = static_cast<double>(c.discriminator[1]) / c.discriminator[2];
  const double of_generator =
      c.generator == nullptr ? fake : static_cast<double>(c.generator[0]) / c.generator[1];
  const double k = *c.k;
  const double balance = c.gamma * real - of_generator;
  const double next = k + c.lambda * balance;
  c.values[0] = real;
  c.values[1] = fake;
  c.values[2] = of_generator;
  c.values[3] = real - k * fake;
  c.values[4] = real + (balance < 0 ? -balance : balance);
  if (next == next) *c.k = next < 0 ? 0 : (next > 1 ? 1 : next);
}

namespace cpu {
void run(const L1Mean& k);
void run(const L1Gradients& k);
void run(const BeganController& k);
}  // namespace cpu

// On the current CUDA stream of the current device.
namespace cuda {
void run(const L1Mean& k);
void run(const L1Gradients& k);
void run(const BeganController& k);
}  // namespace cuda

}  // namespace valley::kernels
