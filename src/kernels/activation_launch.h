// Interface between activations.cpp and its implementations, in plain pointers as in launch.h:
// cpu_activations.cpp, cuda_activations.cu and, in builds without CUDA, no_cuda.cpp.
//
// Maps are in channels_last order, so that a map [N, C, H, W] is a matrix of rows = N H W rows of
// C channels, each row contiguous. ELU has alpha = 1 (Clevert et al. 2016): y = x > 0 ? x : e^x -
// 1, so its derivative is a function of y: 1 where y > 0, y + 1 elsewhere.
#pragma once

#include <algorithm>
#include <cstdint>

namespace valley::kernels {

// y <- elu(y + bias[channel]), in place, computed in float.
struct BiasElu {
  void* y;           // [rows, channels]
  const void* bias;  // [channels]
  bool bf16;         // y is bfloat16, float otherwise
  bool bias_bf16;    // bias is bfloat16, float otherwise
  std::int64_t rows, channels;
};

// out <- grad * slope(y), and bias_grad[channel] <- the sum over rows of these products before they
// are rounded to out's type. out may alias grad. The sum has two stages, whose order depends only
// on the numbers of rows and channels.
struct EluBackward {
  const void* grad;  // [rows, channels]
  const void* y;     // [rows, channels], output of the forward pass
  void* out;         // [rows, channels]
  bool bf16;         // all three are bfloat16, float otherwise
  std::int64_t rows, channels;
  float* bias_grad;  // [channels], or null: not computed
  float* partial;    // elu_backward_scratch(rows, channels) floats of scratch; unused without
                     // bias_grad
};

// The same for leaky ReLU: slope 1 where y > 0, else `leak`.
struct LeakyBackward {
  EluBackward maps;
  float leak;
};

// Number of slices of rows that the first stage sums; the second stage sums the slices.
inline std::int64_t elu_backward_slices(std::int64_t rows) {
  return std::clamp<std::int64_t>(rows / 32, 1, 1024);
}

// Floats of scratch memory for an EluBackward with a bias_grad.
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
