#include "kernels/loss_launch.h"
#include "kernels/parallel.h"
#include "kernels/sum_slices.h"

namespace valley::kernels::cpu {
namespace {

// Partial sums, independent of the vector width: the same bits on every CPU.
constexpr int kLanes = 64;

inline __attribute__((always_inline)) double distance(const float* a, const float* b,
                                                      std::int64_t begin, std::int64_t end) {
  float lanes[kLanes] = {};
  std::int64_t i = begin;
  for (; i + kLanes <= end; i += kLanes) {
    for (int j = 0; j < kLanes; ++j) lanes[j] += __builtin_fabsf(a[i + j] - b[i + j]);
  }
  double sum = 0;
  for (; i < end; ++i) sum += static_cast<double>(__builtin_fabsf(a[i] - b[i]));
  for (const float lane : lanes) sum += static_cast<double>(lane);
  return sum;
}

inline __attribute__((always_inline)) void gradients(const L1Gradients& k, float step,
                                                     std::int64_t begin, std::int64_t end) {
  const float* __restrict a = k.a;
  const float* __restrict b = k.b;
  float* __restrict to_a = k.a_gradient;
  float* __restrict to_b = k.b_gradient;
  if (to_a != nullptr && to_b != nullptr) {
    for (std::int64_t i = begin; i < end; ++i) {
      const float g = signed_step(a[i], b[i], step);
      to_a[i] = g;
      to_b[i] = -g;
    }
  } else if (to_a != nullptr) {
    for (std::int64_t i = begin; i < end; ++i) to_a[i] = signed_step(a[i], b[i], step);
  } else if (to_b != nullptr) {
    for (std::int64_t i = begin; i < end; ++i) to_b[i] = signed_step(b[i], a[i], step);
  }
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) double distance_wide(const float* a, const float* b,
                                                     std::int64_t begin, std::int64_t end) {
  return distance(a, b, begin, end);
}
__attribute__((target("avx2"))) void gradients_wide(const L1Gradients& k, float step,
                                                    std::int64_t begin, std::int64_t end) {
  gradients(k, step, begin, end);
}
bool has_wide() { return __builtin_cpu_supports("avx2") != 0; }
#else
constexpr auto distance_wide = distance;
constexpr auto gradients_wide = gradients;
bool has_wide() { return false; }
#endif

}  // namespace

void run(const L1Mean& k) {
  const std::int64_t slices = slices_of_sum(k.n);
  const bool wide = has_wide();
  parallel_for(0, slices, parallel_grain(k.n / slices), [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t s = first; s < last; ++s) {
      const std::int64_t begin = slice_begin(k.n, slices, s);
      const std::int64_t end = slice_begin(k.n, slices, s + 1);
      k.partial[s] = wide ? distance_wide(k.a, k.b, begin, end) : distance(k.a, k.b, begin, end);
    }
  });
  double sum = 0;
  for (std::int64_t s = 0; s < slices; ++s) sum += k.partial[s];
  *k.mean = static_cast<float>(sum / static_cast<double>(k.n));
}

void run(const L1Gradients& k) {
  const float step = *k.upstream / static_cast<float>(k.n);
  const bool wide = has_wide();
  parallel_for(0, k.n, kParallelElements, [&](std::int64_t begin, std::int64_t end) {
    wide ? gradients_wide(k, step, begin, end) : gradients(k, step, begin, end);
  });
}

void run(const BeganController& k) { began_control(k); }

}  // namespace valley::kernels::cpu
