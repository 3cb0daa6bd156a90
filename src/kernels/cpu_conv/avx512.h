// Vectors of sixteen floats, for files that are compiled for AVX-512 regardless of the rest of the
// program: included within their `#pragma GCC target`. Everything is static, so that the linker
// does not merge it with the functions of the same names in avx2.h.
#pragma once

// GCC 12 warns of deliberately uninitialized variables in its own intrinsics.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop

#include <cstdint>

namespace valley::kernels::cpu {

using Vector = __m512;
static constexpr std::int64_t kLanes = 16;
static constexpr int kRegisters = 32;

static inline Vector zeros() { return _mm512_setzero_ps(); }
static inline Vector all(float x) { return _mm512_set1_ps(x); }
// a * b + c
static inline Vector multiply_add(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
static inline Vector scaled(Vector x, float factor) {
  return _mm512_mul_ps(x, _mm512_set1_ps(factor));
}
// a + factor * b
static inline Vector plus(Vector a, float factor, Vector b) {
  return _mm512_fmadd_ps(_mm512_set1_ps(factor), b, a);
}
static inline Vector sum(Vector a, Vector b) { return _mm512_add_ps(a, b); }
static inline Vector difference(Vector a, Vector b) { return _mm512_sub_ps(a, b); }

// Leaky ReLU with the negative slope `leak`; NaN stays NaN.
static inline Vector leaky(Vector x, float leak) {
  return plus(_mm512_max_ps(zeros(), x), leak, _mm512_min_ps(zeros(), x));
}

using Bits16 = std::uint16_t;  // bits of a bfloat16

static inline Vector load(const float* from) { return _mm512_loadu_ps(from); }
static inline Vector load(const Bits16* from) {
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}
// The first n lanes, zeros after them.
static inline __mmask16 first_lanes(std::int64_t n) {
  return static_cast<__mmask16>(n >= kLanes ? 0xFFFFU : (1U << static_cast<unsigned>(n)) - 1U);
}
static inline Vector load_first(const float* from, std::int64_t n) {
  return _mm512_maskz_loadu_ps(first_lanes(n), from);
}
static inline Vector load_first(const Bits16* from, std::int64_t n) {
  const __m256i bits = _mm256_maskz_loadu_epi16(first_lanes(n), from);
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}
static inline void store(float* to, Vector x) { _mm512_storeu_ps(to, x); }
static inline void store_first(float* to, Vector x, std::int64_t n) {
  _mm512_mask_storeu_ps(to, first_lanes(n), x);
}
// To the nearest, ties to even; NaNs stay NaNs.
static inline void store(Bits16* to, Vector x) {
  const __m512i bits = _mm512_castps_si512(x);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, odd), _mm512_set1_epi32(0x7FFF));
  const __mmask16 is_nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
  const __m512i kept = _mm512_mask_blend_epi32(is_nan, rounded, _mm512_set1_epi32(0x7FC00000));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to),
                      _mm512_cvtepi32_epi16(_mm512_srli_epi32(kept, 16)));
}

// The ELU of cpu_activations.cpp: e^x - 1 for x <= 0 by 2^n (e^r - 1) + (2^n - 1).
static inline Vector elu(Vector x) {
  const Vector zero = _mm512_setzero_ps();
  const Vector one = _mm512_set1_ps(1);
  const Vector below = _mm512_max_ps(_mm512_min_ps(x, zero), _mm512_set1_ps(-87));
  const Vector n = _mm512_roundscale_ps(scaled(below, 1.44269504F), _MM_FROUND_TO_NEAREST_INT);
  const Vector r = plus(plus(below, -0.693359375F, n), 2.12194440e-4F, n);
  Vector p = _mm512_set1_ps(1.0F / 5040);
  const float factors[] = {1.0F / 720, 1.0F / 120, 1.0F / 24, 1.0F / 6, 0.5F, 1.0F};
  for (const float factor : factors) p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(factor));
  const Vector scale = _mm512_scalef_ps(one, n);
  const Vector negative = _mm512_fmadd_ps(scale, _mm512_mul_ps(p, r), difference(scale, one));
  // NaN fails both comparisons and stays.
  const __mmask16 is_negative = _mm512_cmp_ps_mask(x, zero, _CMP_LT_OQ);
  return _mm512_mask_blend_ps(is_negative, x, negative);
}

static inline Vector paired(Vector a, Vector b) {
  return sum(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
}
static inline Vector paired_twice(Vector a, Vector b) {
  const __m512d x = _mm512_castps_pd(a);
  const __m512d y = _mm512_castps_pd(b);
  return sum(_mm512_castpd_ps(_mm512_unpacklo_pd(x, y)),
             _mm512_castpd_ps(_mm512_unpackhi_pd(x, y)));
}
// Sum of the lanes of each vector, in order.
static constexpr int kSumsAtOnce = 8;
static inline void store_lane_sums(float* to, const Vector* v) {
  const Vector low = paired_twice(paired(v[0], v[1]), paired(v[2], v[3]));
  const Vector high = paired_twice(paired(v[4], v[5]), paired(v[6], v[7]));
  const Vector halves =
      sum(_mm512_shuffle_f32x4(low, high, 0x44), _mm512_shuffle_f32x4(low, high, 0xEE));
  _mm256_storeu_ps(to, _mm512_castps512_ps256(sum(_mm512_shuffle_f32x4(halves, halves, 0x88),
                                                  _mm512_shuffle_f32x4(halves, halves, 0xDD))));
}

}  // namespace valley::kernels::cpu
