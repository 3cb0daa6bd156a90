// Transposition of float blocks, for files that are compiled for AVX2 or AVX-512.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace valley::kernels::cpu {

// to[j to_stride + i] = from[i from_stride + j], 8x8
static inline void transpose_8x8(const float* from, std::int64_t from_stride, float* to,
                                 std::int64_t to_stride) {
  __m256 r[8];
  for (int i = 0; i < 8; ++i) r[i] = _mm256_loadu_ps(from + i * from_stride);
  __m256 pairs[8];
  for (int i = 0; i < 8; i += 2) {
    pairs[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    pairs[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
  __m256 fours[8];
  for (int i = 0; i < 8; i += 4) {
    fours[i] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0x44);
    fours[i + 1] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0xEE);
    fours[i + 2] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0x44);
    fours[i + 3] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0xEE);
  }
  for (int j = 0; j < 4; ++j) {
    _mm256_storeu_ps(to + j * to_stride, _mm256_permute2f128_ps(fours[j], fours[j + 4], 0x20));
    _mm256_storeu_ps(to + (j + 4) * to_stride,
                     _mm256_permute2f128_ps(fours[j], fours[j + 4], 0x31));
  }
}

}  // namespace valley::kernels::cpu
