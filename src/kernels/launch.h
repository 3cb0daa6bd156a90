// Interface between kernels.cpp and its implementations, in plain pointers, so that nvcc does not
// compile LibTorch's headers: cpu_kernels.cpp, cuda_kernels.cu and, in builds without CUDA,
// no_cuda.cpp.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/philox.h"

namespace valley::kernels {

struct ImagesFromBytes {
  const std::uint8_t* bytes;
  float* out;
  std::int64_t batch, height, width, channels;
  bool mirror;
  std::uint64_t seed;
  const std::int64_t* position;
  std::int64_t offset;
};

struct FillUniform {
  float* out;
  std::int64_t rows, columns;
  std::uint64_t seed;
  std::uint32_t stream;
  float low, high;
  const std::int64_t* position;
  std::int64_t offset;
  std::uint32_t first_block;
};

struct FillNormal {
  float* out;
  std::int64_t rows, columns;
  std::uint64_t seed;
  std::uint32_t stream;
  float deviation;
  const std::int64_t* position;
  std::int64_t offset;
  std::uint32_t first_block;
  const std::int64_t* later;  // blocks after first_block; null: 0
};

// See shift_and_cut; `inverse`: its gradient.
struct ShiftAndCut {
  const float* in;
  float* out;
  const std::int32_t* windows;  // [batch, kWindowSize]
  std::int64_t batch, height, width, channels;
  float fill;
  bool inverse;
};

// Arguments that all optimizers share; see optimizers.h.
struct FlatUpdate {
  float* value;
  float* gradient;
  std::int64_t n;
  const double* rate;
  const std::int64_t* updates;
  const std::int32_t* skip;
  std::uint16_t* shadow;  // bf16 copy of value, or null
  bool clear_gradient;
};

struct Adam {
  FlatUpdate flat;
  float* first;
  float* second;
  double beta1, beta2, epsilon;
  bool bias_correction;
};

struct Adamax {
  FlatUpdate flat;
  float* first;
  float* second;
  double beta1, beta2, epsilon;
  bool bias_correction;
};

struct Sgd {
  FlatUpdate flat;
  float* velocity;  // null without momentum
  double momentum;
};

// See clip_by_norm.
struct ClipByNorm {
  float* gradient;
  std::int64_t n;
  double max_norm;
  double* partial;  // [slices_of_sum(n)], overwritten
  float* norm;      // []
};

VALLEY_HOST_DEVICE inline float clip_factor(const ClipByNorm& k) {
  const double factor = k.max_norm / (static_cast<double>(*k.norm) + 1e-6);
  return factor < 1.0 ? static_cast<float>(factor) : 1.0F;
}

// See decay_weights.
struct DecayWeights {
  float* value;
  std::int64_t n;
  const std::uint8_t* chosen;  // per block
  std::int64_t block;
  const double* rate;
  double decay;
  const std::int32_t* skip;
};

struct MovingAverage {
  float* average;
  const float* value;
  std::int64_t n;
  float weight;  // weight of the new value
  const std::int32_t* skip;
};

namespace cpu {
void run(const ImagesFromBytes& k);
void run(const FillUniform& k);
void run(const FillNormal& k);
void run(const ShiftAndCut& k);
void run(const Adam& k);
void run(const Adamax& k);
void run(const Sgd& k);
void run(const ClipByNorm& k);
void run(const DecayWeights& k);
void run(const MovingAverage& k);
}  // namespace cpu

// On the current CUDA stream of the current device.
namespace cuda {
void run(const ImagesFromBytes& k);
void run(const FillUniform& k);
void run(const FillNormal& k);
void run(const ShiftAndCut& k);
void run(const Adam& k);
void run(const Adamax& k);
void run(const Sgd& k);
void run(const ClipByNorm& k);
void run(const DecayWeights& k);
void run(const MovingAverage& k);
}  // namespace cuda

// Columns of a row of ShiftAndCut::windows.
enum Window : std::int64_t { kDown, kRight, kTop, kBottom, kLeft, kWindowRight, kWindowSize };

// Index in the input of the pixel (y, x) of the output of one sample, in pixels; -1: the fill.
VALLEY_HOST_DEVICE inline std::int64_t source_pixel(const ShiftAndCut& k, const std::int32_t* w,
                                                    std::int64_t y, std::int64_t x) {
  const std::int64_t from_y = k.inverse ? y + w[kDown] : y - w[kDown];
  const std::int64_t from_x = k.inverse ? x + w[kRight] : x - w[kRight];
  if (from_y < 0 || from_y >= k.height || from_x < 0 || from_x >= k.width) return -1;
  // The cut is in coordinates of the shifted image.
  const std::int64_t cut_y = k.inverse ? from_y : y;
  const std::int64_t cut_x = k.inverse ? from_x : x;
  if (cut_y >= w[kTop] && cut_y < w[kBottom] && cut_x >= w[kLeft] && cut_x < w[kWindowRight])
    return -1;
  return from_y * k.width + from_x;
}

VALLEY_HOST_DEVICE inline std::uint32_t first_block_of(const FillNormal& k) {
  return k.first_block + (k.later != nullptr ? static_cast<std::uint32_t>(*k.later) : 0U);
}

// Pixel in the range of network inputs.
VALLEY_HOST_DEVICE inline float pixel_value(std::uint8_t byte) {
  return static_cast<float>(byte) / 127.5F - 1.0F;
}

VALLEY_HOST_DEVICE inline bool is_mirrored(std::uint64_t seed, std::uint64_t position) {
  return (philox(seed, static_cast<std::uint32_t>(RandomStream::kMirror), position, 0).word[0] &
          1U) != 0;
}

// Bits of the bfloat16 nearest to a float, ties to even.
VALLEY_HOST_DEVICE inline std::uint16_t bfloat16_bits(float x) {
  const auto bits = __builtin_bit_cast(std::uint32_t, x);
  const std::uint32_t rounded = (bits + 0x7FFFU + ((bits >> 16U) & 1U)) >> 16U;
  return static_cast<std::uint16_t>(x == x ? rounded : 0x7FC0U);
}

// Factors of Adam's update, computed once per update in double precision.
struct AdamFactors {
  float step;          // rate / (1 - beta1^t)
  float second_scale;  // 1 / sqrt(1 - beta2^t)
};

VALLEY_HOST_DEVICE inline AdamFactors adam_factors(const Adam& k) {
  const double rate = *k.flat.rate;
  if (!k.bias_correction) return {static_cast<float>(rate), 1.0F};
  const auto t = static_cast<double>(*k.flat.updates);
  return {static_cast<float>(rate / (1.0 - std::pow(k.beta1, t))),
          static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(k.beta2, t)))};
}

// Factors of Adamax; epsilon is in one of two places.
struct AdamaxFactors {
  float step;
  float norm_epsilon;      // added to beta2 u
  float gradient_epsilon;  // added to abs(g)
};

VALLEY_HOST_DEVICE inline AdamaxFactors adamax_factors(const Adamax& k) {
  const double rate = *k.flat.rate;
  const auto epsilon = static_cast<float>(k.epsilon);
  if (!k.bias_correction) return {static_cast<float>(rate), epsilon, 0.0F};
  const auto t = static_cast<double>(*k.flat.updates);
  return {static_cast<float>(rate / (1.0 - std::pow(k.beta1, t))), 0.0F, epsilon};
}

}  // namespace valley::kernels
