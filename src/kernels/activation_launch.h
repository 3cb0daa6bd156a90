// What activations.cpp asks of a device, in plain pointers as in launch.h: cuda_activations.cu has
// the device's side, no_cuda.cpp stands in for it, cpu_activations.cpp has the host's.
//
// Maps are in channels_last order, so that a map [N, C, H, W] is a matrix of rows = N H W rows of
// C channels, each row contiguous. ELU has alpha = 1 (Clevert et al. 2016): y = x > 0 ? x : e^x -
// 1, and its slope follows from what it returned: 1 where y > 0, y + 1 elsewhere.
#pragma once

#include <algorithm>
#include <cstdint>

namespace valley::kernels {

// y <- elu(y + bias[channel]), in place; the sum and the exponential in float.
struct BiasElu {
  void* y;           // [rows, channels]
  const void* bias;  // [channels]
  bool bf16;         // y is bfloat16, float otherwise
  bool bias_bf16;    // the same of bias
  std::int64_t rows, channels;
};

// out <- grad * slope(y), and bias_grad[channel] <- the sum of out over rows, taken from the
// products before they are rounded to out's type. out may be grad. The sum is made in two stages,
// whose order follows from rows and channels alone.
struct EluBackward {
  const void* grad;  // [rows, channels]
  const void* y;     // [rows, channels], what the forward pass returned
  void* out;         // [rows, channels]
  bool bf16;         // all three are bfloat16, float otherwise
  std::int64_t rows, channels;
  float* bias_grad;  // [channels], or null: no sum is taken
  float* partial;    // elu_backward_scratch(rows, channels) floats, overwritten; unread without
                     // bias_grad
};

// The same for leaky ReLU: the slope is 1 where y > 0, else `leak`.
struct LeakyBackward {
  EluBackward maps;
  float leak;
};

// The first stage sums slices of rows, of which there are as many; the second sums the slices.
inline std::int64_t elu_backward_slices(std::int64_t rows) {
  return std::clamp<std::int64_t>(rows / 32, 1, 1024);
}

// How many floats of scratch memory an EluBackward with a bias_grad needs.
inline std::int64_t elu_backward_scratch(std::int64_t rows, std::int64_t channels) {
  return elu_backward_slices(rows) * channels;
}

namespace cpu {
void run(const BiasElu& k);
void run(const EluBackward& k);
void run(const LeakyBackward& k);
}  // namespace cpu

// On the current CUDA stream of the current device.
namespace cuda {
void run(const BiasElu& k);
void run(const EluBackward& k);
}  // namespace cuda

}  // namespace valley::kernels
