#include <algorithm>
#include <cmath>

#include "kernels/launch.h"
#include "kernels/parallel.h"
#include "kernels/sum_slices.h"

namespace valley::kernels::cpu {
namespace {

// Elements after which the bf16 copy is written and the gradient cleared, while they are in the L1
// cache.
constexpr std::int64_t kBlock = 1 << 11;

// Updates of PyTorch's optimizers. Each is compiled twice below, once with AVX2.
inline __attribute__((always_inline)) void adam_range(const Adam& k, AdamFactors factors,
                                                      std::int64_t begin, std::int64_t end) {
  const auto beta1 = static_cast<float>(k.beta1);
  const auto beta2 = static_cast<float>(k.beta2);
  const auto rest1 = static_cast<float>(1.0 - k.beta1);
  const auto rest2 = static_cast<float>(1.0 - k.beta2);
  const auto epsilon = static_cast<float>(k.epsilon);
  float* __restrict value = k.flat.value;
  float* __restrict first = k.first;
  float* __restrict second = k.second;
  const float* __restrict gradient = k.flat.gradient;
  for (std::int64_t i = begin; i < end; ++i) {
    const float g = gradient[i];
    const float m = beta1 * first[i] + rest1 * g;
    const float v = beta2 * second[i] + rest2 * g * g;
    first[i] = m;
    second[i] = v;
    value[i] -= factors.step * m / (__builtin_sqrtf(v) * factors.second_scale + epsilon);
  }
}

inline __attribute__((always_inline)) void adamax_range(const Adamax& k, AdamaxFactors factors,
                                                        std::int64_t begin, std::int64_t end) {
  const auto beta1 = static_cast<float>(k.beta1);
  const auto beta2 = static_cast<float>(k.beta2);
  const auto rest1 = static_cast<float>(1.0 - k.beta1);
  float* __restrict value = k.flat.value;
  float* __restrict first = k.first;
  float* __restrict second = k.second;
  const float* __restrict gradient = k.flat.gradient;
  for (std::int64_t i = begin; i < end; ++i) {
    const float g = gradient[i];
    const float m = beta1 * first[i] + rest1 * g;
    const float decayed = beta2 * second[i] + factors.norm_epsilon;
    const float size = __builtin_fabsf(g) + factors.gradient_epsilon;
    const float u = decayed > size ? decayed : size;
    first[i] = m;
    second[i] = u;
    value[i] -= factors.step * m / u;
  }
}

inline __attribute__((always_inline)) void sgd_range(const Sgd& k, float rate, std::int64_t begin,
                                                     std::int64_t end) {
  const auto momentum = static_cast<float>(k.momentum);
  float* __restrict value = k.flat.value;
  float* __restrict velocity = k.velocity;
  const float* __restrict gradient = k.flat.gradient;
  if (velocity == nullptr) {
    for (std::int64_t i = begin; i < end; ++i) value[i] -= rate * gradient[i];
    return;
  }
  for (std::int64_t i = begin; i < end; ++i) {
    const float m = momentum * velocity[i] + gradient[i];
    velocity[i] = m;
    value[i] -= rate * m;
  }
}

inline __attribute__((always_inline)) void average_range(const MovingAverage& k, std::int64_t begin,
                                                         std::int64_t end) {
  float* __restrict average = k.average;
  const float* __restrict value = k.value;
  for (std::int64_t i = begin; i < end; ++i) average[i] += k.weight * (value[i] - average[i]);
}

// Partial sums, independent of the vector width.
constexpr int kSumLanes = 16;

inline __attribute__((always_inline)) double squares_range(const float* gradient,
                                                           std::int64_t begin, std::int64_t end) {
  double lanes[kSumLanes] = {};
  std::int64_t i = begin;
  for (; i + kSumLanes <= end; i += kSumLanes) {
    for (int j = 0; j < kSumLanes; ++j) {
      const auto g = static_cast<double>(gradient[i + j]);
      lanes[j] += g * g;
    }
  }
  double sum = 0;
  for (; i < end; ++i) sum += static_cast<double>(gradient[i]) * static_cast<double>(gradient[i]);
  for (const double lane : lanes) sum += lane;
  return sum;
}

inline __attribute__((always_inline)) void shadow_range(const FlatUpdate& k, std::int64_t begin,
                                                        std::int64_t end) {
  const float* __restrict value = k.value;
  std::uint16_t* __restrict shadow = k.shadow;
  for (std::int64_t i = begin; i < end; ++i) shadow[i] = bfloat16_bits(value[i]);
}

void adam_plain(const Adam& k, AdamFactors f, std::int64_t begin, std::int64_t end) {
  adam_range(k, f, begin, end);
}
void adamax_plain(const Adamax& k, AdamaxFactors f, std::int64_t begin, std::int64_t end) {
  adamax_range(k, f, begin, end);
}
void sgd_plain(const Sgd& k, float rate, std::int64_t begin, std::int64_t end) {
  sgd_range(k, rate, begin, end);
}
void average_plain(const MovingAverage& k, std::int64_t begin, std::int64_t end) {
  average_range(k, begin, end);
}
double squares_plain(const float* gradient, std::int64_t begin, std::int64_t end) {
  return squares_range(gradient, begin, end);
}
void shadow_plain(const FlatUpdate& k, std::int64_t begin, std::int64_t end) {
  shadow_range(k, begin, end);
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) void adam_wide(const Adam& k, AdamFactors f, std::int64_t begin,
                                                   std::int64_t end) {
  adam_range(k, f, begin, end);
}
__attribute__((target("avx2,fma"))) void adamax_wide(const Adamax& k, AdamaxFactors f,
                                                     std::int64_t begin, std::int64_t end) {
  adamax_range(k, f, begin, end);
}
__attribute__((target("avx2,fma"))) void sgd_wide(const Sgd& k, float rate, std::int64_t begin,
                                                  std::int64_t end) {
  sgd_range(k, rate, begin, end);
}
__attribute__((target("avx2,fma"))) void average_wide(const MovingAverage& k, std::int64_t begin,
                                                      std::int64_t end) {
  average_range(k, begin, end);
}
// Squares of floats are exact in double precision, so that fused operations round alike.
__attribute__((target("avx2,fma"))) double squares_wide(const float* gradient, std::int64_t begin,
                                                        std::int64_t end) {
  return squares_range(gradient, begin, end);
}
__attribute__((target("avx2,fma"))) void shadow_wide(const FlatUpdate& k, std::int64_t begin,
                                                     std::int64_t end) {
  shadow_range(k, begin, end);
}
bool has_wide() {
  return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
}
#else
constexpr auto adam_wide = adam_plain;
constexpr auto adamax_wide = adamax_plain;
constexpr auto sgd_wide = sgd_plain;
constexpr auto average_wide = average_plain;
constexpr auto squares_wide = squares_plain;
constexpr auto shadow_wide = shadow_plain;
bool has_wide() { return false; }
#endif

// Calls `range` for each block of elements, then writes the bf16 copy and clears the gradient
// there.
template <typename Range>
void run_blocks(const FlatUpdate& k, bool wide, const Range& range) {
  parallel_for(0, k.n, kParallelElements, [&](std::int64_t first, std::int64_t last) {
    const std::int64_t length = k.shadow != nullptr || k.clear_gradient ? kBlock : last - first;
    for (std::int64_t begin = first; begin < last; begin += length) {
      const std::int64_t end = std::min(begin + length, last);
      range(begin, end);
      if (k.shadow != nullptr) wide ? shadow_wide(k, begin, end) : shadow_plain(k, begin, end);
      if (k.clear_gradient) std::fill(k.gradient + begin, k.gradient + end, 0.0F);
    }
  });
}

// True if the update is to be skipped; the gradient is cleared then.
bool skips(const FlatUpdate& k) {
  if (*k.skip == 0) return false;
  if (k.clear_gradient) std::fill(k.gradient, k.gradient + k.n, 0.0F);
  return true;
}

}  // namespace

void run(const Adam& k) {
  if (skips(k.flat)) return;
  const AdamFactors factors = adam_factors(k);
  const bool wide = has_wide();
  run_blocks(k.flat, wide, [&](std::int64_t begin, std::int64_t end) {
    wide ? adam_wide(k, factors, begin, end) : adam_plain(k, factors, begin, end);
  });
}

void run(const Adamax& k) {
  if (skips(k.flat)) return;
  const AdamaxFactors factors = adamax_factors(k);
  const bool wide = has_wide();
  run_blocks(k.flat, wide, [&](std::int64_t begin, std::int64_t end) {
    wide ? adamax_wide(k, factors, begin, end) : adamax_plain(k, factors, begin, end);
  });
}

void run(const Sgd& k) {
  if (skips(k.flat)) return;
  const auto rate = static_cast<float>(*k.flat.rate);
  const bool wide = has_wide();
  run_blocks(k.flat, wide, [&](std::int64_t begin, std::int64_t end) {
    wide ? sgd_wide(k, rate, begin, end) : sgd_plain(k, rate, begin, end);
  });
}

void run(const ClipByNorm& k) {
  const std::int64_t slices = slices_of_sum(k.n);
  const bool wide = has_wide();
  parallel_for(0, slices, parallel_grain(k.n / slices), [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t s = first; s < last; ++s) {
      const std::int64_t begin = slice_begin(k.n, slices, s);
      const std::int64_t end = slice_begin(k.n, slices, s + 1);
      k.partial[s] =
          wide ? squares_wide(k.gradient, begin, end) : squares_plain(k.gradient, begin, end);
    }
  });
  double sum = 0;
  for (std::int64_t s = 0; s < slices; ++s) sum += k.partial[s];
  *k.norm = static_cast<float>(std::sqrt(sum));
  const float factor = clip_factor(k);
  if (factor == 1.0F) return;
  parallel_for(0, k.n, kParallelElements, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) k.gradient[i] *= factor;
  });
}

void run(const DecayWeights& k) {
  if (*k.skip != 0) return;
  const auto factor = static_cast<float>(1.0 - *k.rate * k.decay);
  const std::int64_t blocks = (k.n + k.block - 1) / k.block;
  parallel_for(0, blocks, parallel_grain(k.block), [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t b = first; b < last; ++b) {
      if (k.chosen[b] == 0) continue;
      const std::int64_t end = std::min(k.n, (b + 1) * k.block);
      for (std::int64_t i = b * k.block; i < end; ++i) k.value[i] *= factor;
    }
  });
}

void run(const MovingAverage& k) {
  if (*k.skip != 0) return;
  const bool wide = has_wide();
  parallel_for(0, k.n, kParallelElements, [&](std::int64_t begin, std::int64_t end) {
    wide ? average_wide(k, begin, end) : average_plain(k, begin, end);
  });
}

}  // namespace valley::kernels::cpu
