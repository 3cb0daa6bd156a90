// Vector functions of small-channel convolutions, included by the two files that compile them,
// after avx512.h or avx2.h. Templates and inline functions must be static: the linker would
// merge those of both files.
#pragma once

#include "kernels/cpu_conv/small_channel_kernels.h"
#include "kernels/cpu_conv/vector_loops.h"

namespace valley::kernels::cpu {
namespace {

constexpr int kTaps = 3;

// kPixels pixels of y, N vectors of channels per pixel; stores the first `pixels` of them.
constexpr int kPixels = kRegisters / 4;
template <typename T, int F, int N>
void widen(ThreeRows rows, std::int64_t at, const float* weights, const float* bias, T* y,
           std::int64_t many, std::int64_t pixels) {
  Vector sums[kPixels][N];
  for (int p = 0; p < kPixels; ++p) {
    for (int n = 0; n < N; ++n) sums[p][n] = zeros();
  }
  for (int i = 0; i < kTaps; ++i) {
    const float* row = rows[i] + at * F;
    const float* w = weights + i * kTaps * F * many;
#pragma GCC unroll 9
    for (int j = 0; j < kTaps * F; ++j) {
      Vector b[N];
      for (int n = 0; n < N; ++n) b[n] = load(w + j * many + n * kLanes);
#pragma GCC unroll 8
      for (int p = 0; p < kPixels; ++p) {
        const Vector a = all(row[p * F + j]);
        for (int n = 0; n < N; ++n) sums[p][n] = multiply_add(a, b[n], sums[p][n]);
      }
    }
  }
#pragma GCC unroll 8
  for (int p = 0; p < kPixels; ++p) {
    if (p >= pixels) break;
    for (int n = 0; n < N; ++n) {
      const Vector value = sum(sums[p][n], load(bias + n * kLanes));
      store(y + p * many + n * kLanes, elu(value));
    }
  }
}

template <typename T, int F>
void widen_row_of(const SmallInputConv& k, ThreeRows rows, T* y) {
  const std::int64_t many = k.shape.many;
  for (std::int64_t c = 0; c < many;) {
    const bool two = c + 2 * kLanes <= many;
    for (std::int64_t at = 0; at < k.shape.columns; at += kPixels) {
      const std::int64_t pixels = less(kPixels, k.shape.columns - at);
      two ? widen<T, F, 2>(rows, at, k.weights + c, k.bias + c, y + at * many + c, many, pixels)
          : widen<T, F, 1>(rows, at, k.weights + c, k.bias + c, y + at * many + c, many, pixels);
    }
    c += two ? 2 * kLanes : kLanes;
  }
}

// P pixels of F channels, P F a multiple of kSumsAtOnce, with kernels of Taps x Taps. Lanes are
// channels of x; their sum is the result.
template <int F, int P, int Taps>
void narrow(const float* const* rows, std::int64_t at, const float* weights, std::int64_t many,
            float* out) {
  Vector sums[P * F];
  for (int s = 0; s < P * F; ++s) sums[s] = zeros();
  const std::int64_t wide = Taps * many;
  for (int i = 0; i < Taps; ++i) {
    const float* row = rows[i] + at * many;
    const float* w = weights + i * F * wide;
    for (std::int64_t j = 0; j < wide; j += kLanes) {
      Vector b[F];
      for (int f = 0; f < F; ++f) b[f] = load(w + f * wide + j);
#pragma GCC unroll 16
      for (int p = 0; p < P; ++p) {
        const Vector a = load(row + p * many + j);
        for (int f = 0; f < F; ++f) sums[p * F + f] = multiply_add(a, b[f], sums[p * F + f]);
      }
    }
  }
#pragma GCC unroll 3
  for (int s = 0; s < P * F; s += kSumsAtOnce) store_lane_sums(out + s, sums + s);
}

template <typename T>
void store_row(const float* row, const float* bias, std::int64_t few, std::int64_t n, T* y) {
  float repeated[kSumLanes];
  for (std::int64_t i = 0; i < kSumLanes; ++i) repeated[i] = bias == nullptr ? 0 : bias[i % few];
  alignas(64) T last[kLanes];
  for (std::int64_t i = 0; i < n; i += kLanes) {
    const Vector value = sum(load(row + i), load(repeated + i % kSumLanes));
    if (i + kLanes <= n) {
      store(y + i, value);
    } else {
      store(last, value);
      for (std::int64_t rest = i; rest < n; ++rest) y[rest] = last[rest - i];
    }
  }
}

// Vectors for which nine sums each fit into the registers.
constexpr int kMaxVectors = kRegisters / 16;

// Taps of `Rows` rows of the kernel, Rows F = 3: sums[i][j][f][0 .. N vectors) over a row's pixels.
template <typename T, int Rows, int F, int N>
void add_taps(const float* const* few, const T* many_map, float* weights, std::int64_t many,
              std::int64_t columns) {
  constexpr int kWide = kTaps * F;
  Vector sums[Rows * kWide][N];
  for (int s = 0; s < Rows * kWide; ++s) {
    for (int n = 0; n < N; ++n) sums[s][n] = load(weights + s * many + n * kLanes);
  }
  for (std::int64_t p = 0; p < columns; ++p) {
    Vector b[N];
    for (int n = 0; n < N; ++n) b[n] = load(many_map + p * many + n * kLanes);
#pragma GCC unroll 9
    for (int s = 0; s < Rows * kWide; ++s) {
      const Vector a = all(few[s / kWide][p * F + s % kWide]);
      for (int n = 0; n < N; ++n) sums[s][n] = multiply_add(a, b[n], sums[s][n]);
    }
  }
  for (int s = 0; s < Rows * kWide; ++s) {
    for (int n = 0; n < N; ++n) store(weights + s * many + n * kLanes, sums[s][n]);
  }
}

template <typename T, int Rows, int F>
void add_row_of(const SmallChannelShape& shape, ThreeRows few, const T* many_map, float* weights) {
  for (int i = 0; i < kTaps; i += Rows) {
    float* w = weights + i * kTaps * F * shape.many;
    for (std::int64_t c = 0; c < shape.many;) {
      const bool two = kMaxVectors == 2 && c + 2 * kLanes <= shape.many;
      two ? add_taps<T, Rows, F, kMaxVectors>(few + i, many_map + c, w + c, shape.many,
                                              shape.columns)
          : add_taps<T, Rows, F, 1>(few + i, many_map + c, w + c, shape.many, shape.columns);
      c += two ? 2 * kLanes : kLanes;
    }
  }
}

template <typename T>
void add_row_of(const SmallChannelShape& shape, ThreeRows few, const T* many_map, float* weights) {
  shape.few == 1 ? add_row_of<T, 3, 1>(shape, few, many_map, weights)
                 : add_row_of<T, 1, 3>(shape, few, many_map, weights);
}

template <typename T>
void widen_row_of(const SmallInputConv& k, ThreeRows rows, T* y) {
  k.shape.few == 1 ? widen_row_of<T, 1>(k, rows, y) : widen_row_of<T, 3>(k, rows, y);
}

void copy_floats(const void* from, bool bf16, std::int64_t n, float* to) {
  if (!bf16) {
    const auto* floats = static_cast<const float*>(from);
    for (std::int64_t i = 0; i < n; i += kLanes)
      store_first(to + i, load_first(floats + i, n - i), n - i);
    return;
  }
  const auto* bits = static_cast<const Bits16*>(from);
  for (std::int64_t i = 0; i < n; i += kLanes)
    store_first(to + i, load_first(bits + i, n - i), n - i);
}

void widen_row(const SmallInputConv& k, ThreeRows rows, void* y) {
  k.bf16 ? widen_row_of(k, rows, static_cast<Bits16*>(y))
         : widen_row_of(k, rows, static_cast<float*>(y));
}

// Pixels computed together: gray and color.
constexpr int kGray = kRegisters / 2;
constexpr int kColor = kRegisters / 4;
static_assert(kBlock % kGray == 0 && kBlock % kColor == 0);

void narrow_row(const SmallOutputConv& k, ThreeRows rows, float* out) {
  const std::int64_t end = (k.shape.columns + kBlock - 1) / kBlock * kBlock;
  if (k.shape.few == 1) {
    for (std::int64_t at = 0; at < end; at += kGray)
      narrow<1, kGray, kTaps>(rows, at, k.weights, k.shape.many, out + at);
  } else {
    for (std::int64_t at = 0; at < end; at += kColor)
      narrow<3, kColor, kTaps>(rows, at, k.weights, k.shape.many, out + 3 * at);
  }
}

template <int F, int P>
void narrow_transposed_row_of(const SmallOutputTransposedConv& k, ThreeRows rows, bool odd,
                              float* out) {
  constexpr int kHalf = 2;
  const std::int64_t size = kHalf * F * kHalf * k.shape.many;
  const float* weights = k.weights + (odd ? kHalf * size : 0);
  alignas(64) float sums[P * F];
  for (std::int64_t at = 0; at < k.shape.columns; at += P) {
    for (std::int64_t column = 0; column < kHalf; ++column) {
      narrow<F, P, kHalf>(rows + (odd ? 1 : 0), at + column, weights + column * size, k.shape.many,
                          sums);
      for (int p = 0; p < P; ++p) {
        for (int f = 0; f < F; ++f) out[(kHalf * (at + p) + column) * F + f] = sums[p * F + f];
      }
    }
  }
}

void narrow_transposed_row(const SmallOutputTransposedConv& k, ThreeRows rows, bool odd,
                           float* out) {
  k.shape.few == 1 ? narrow_transposed_row_of<1, kGray>(k, rows, odd, out)
                   : narrow_transposed_row_of<3, kColor>(k, rows, odd, out);
}

void store_narrow_row(const float* row, const float* bias, std::int64_t few, std::int64_t n,
                      bool bf16, void* y) {
  bf16 ? store_row(row, bias, few, n, static_cast<Bits16*>(y))
       : store_row(row, bias, few, n, static_cast<float*>(y));
}

void add_row(const SmallChannelWeightGradient& k, ThreeRows few, const void* many, float* weights) {
  k.bf16 ? add_row_of(k.shape, few, static_cast<const Bits16*>(many), weights)
         : add_row_of(k.shape, few, static_cast<const float*>(many), weights);
}

void add_lanes(const float* values, std::int64_t n, float* sums) {
  for (std::int64_t i = 0; i < n; i += kLanes) {
    float* to = sums + i % kSumLanes;
    store(to, sum(load(to), load_first(values + i, n - i)));
  }
}

constexpr SmallChannelKernels kSmallChannelKernels{
    copy_floats,      widen_row, narrow_row, narrow_transposed_row,
    store_narrow_row, add_row,   add_lanes,  add_floats};

}  // namespace
}  // namespace valley::kernels::cpu
