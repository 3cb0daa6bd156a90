// Vectors of eight floats, for files that are compiled for AVX2 and FMA: the interface of
// avx512.h, with the same bits for operations within a lane.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace valley::kernels::cpu {

using Vector = __m256;
static constexpr std::int64_t kLanes = 8;
static constexpr int kRegisters = 16;

static inline Vector zeros() { return _mm256_setzero_ps(); }
static inline Vector all(float x) { return _mm256_set1_ps(x); }
// a * b + c
static inline Vector multiply_add(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
static inline Vector scaled(Vector x, float factor) {
  return _mm256_mul_ps(x, _mm256_set1_ps(factor));
}
// a + factor * b
static inline Vector plus(Vector a, float factor, Vector b) {
  return _mm256_fmadd_ps(_mm256_set1_ps(factor), b, a);
}
static inline Vector sum(Vector a, Vector b) { return _mm256_add_ps(a, b); }
static inline Vector difference(Vector a, Vector b) { return _mm256_sub_ps(a, b); }

// Leaky ReLU with the negative slope `leak`; NaN stays NaN.
static inline Vector leaky(Vector x, float leak) {
  return plus(_mm256_max_ps(zeros(), x), leak, _mm256_min_ps(zeros(), x));
}

using Bits16 = std::uint16_t;  // bits of a bfloat16

static inline Vector load(const float* from) { return _mm256_loadu_ps(from); }
static inline Vector load(const Bits16* from) {
  const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}
// The first n lanes, zeros after them.
template <typename T>
static inline Vector load_first(const T* from, std::int64_t n) {
  if (n >= kLanes) return load(from);
  T rest[kLanes] = {};
  for (std::int64_t i = 0; i < n; ++i) rest[i] = from[i];
  return load(rest);
}
static inline void store(float* to, Vector x) { _mm256_storeu_ps(to, x); }
static inline void store_first(float* to, Vector x, std::int64_t n) {
  if (n >= kLanes) return store(to, x);
  float rest[kLanes];
  store(rest, x);
  for (std::int64_t i = 0; i < n; ++i) to[i] = rest[i];
}
// To the nearest, ties to even; NaNs stay NaNs.
static inline void store(Bits16* to, Vector x) {
  const __m256i bits = _mm256_castps_si256(x);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, odd), _mm256_set1_epi32(0x7FFF));
  const __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  const __m256i kept =
      _mm256_srli_epi32(_mm256_blendv_epi8(rounded, _mm256_set1_epi32(0x7FC00000), is_nan), 16);
  _mm_storeu_si128(
      reinterpret_cast<__m128i*>(to),
      _mm_packus_epi32(_mm256_castsi256_si128(kept), _mm256_extracti128_si256(kept, 1)));
}

// The ELU of cpu_activations.cpp: e^x - 1 for x <= 0 by 2^n (e^r - 1) + (2^n - 1).
static inline Vector elu(Vector x) {
  const Vector below = _mm256_max_ps(_mm256_min_ps(x, zeros()), all(-87));
  const Vector n =
      _mm256_round_ps(scaled(below, 1.44269504F), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const Vector r = plus(plus(below, -0.693359375F, n), 2.12194440e-4F, n);
  Vector p = all(1.0F / 5040);
  const float factors[] = {1.0F / 720, 1.0F / 120, 1.0F / 24, 1.0F / 6, 0.5F, 1.0F};
  for (const float factor : factors) p = multiply_add(p, r, all(factor));
  // 2^n, normal for all n from -126 on.
  const Vector scale = _mm256_castsi256_ps(
      _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
  const Vector negative = multiply_add(scale, _mm256_mul_ps(p, r), difference(scale, all(1)));
  // NaN fails the comparison and stays.
  return _mm256_blendv_ps(x, negative, _mm256_cmp_ps(x, zeros(), _CMP_LT_OQ));
}

// Sum of the lanes of each vector, in order.
static constexpr int kSumsAtOnce = 4;
static inline void store_lane_sums(float* to, const Vector* v) {
  const Vector pairs = _mm256_hadd_ps(_mm256_hadd_ps(v[0], v[1]), _mm256_hadd_ps(v[2], v[3]));
  _mm_storeu_ps(to, _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps(pairs, 1)));
}

}  // namespace valley::kernels::cpu
