// Products of small row-major float matrices for Winograd convolutions: included after avx512.h
// or avx2.h, under the rules of winograd_loops.h.
#pragma once

#include <cstdint>

#include "kernels/cpu_conv/products.h"

namespace valley::kernels::cpu {
namespace {

// Rows of a product that fit into the registers, two vectors each.
constexpr int kRowsAtOnce = kRegisters == 32 ? kManyRows : kManyRows / 2;
constexpr int kWeightRowsAtOnce = kRegisters / 4;
constexpr std::int64_t kPanel = 2 * kLanes;

// m[r][0 .. N vectors) = sum over k of v[r][k] u[k][...]; R rows of v are k_size apart, of u
// `wide`, of m `out`. Without kFirst the sum is added to m.
template <int R, int N, bool kFirst>
void multiply(const float* v, const float* u, float* m, std::int64_t k_size, std::int64_t wide,
              std::int64_t out) {
  Vector sums[R][N];
  for (int r = 0; r < R; ++r) {
    for (int n = 0; n < N; ++n) sums[r][n] = kFirst ? zeros() : load(m + r * out + n * kLanes);
  }
  for (std::int64_t k = 0; k < k_size; ++k) {
    Vector b[N];
    for (int n = 0; n < N; ++n) b[n] = load(u + k * wide + n * kLanes);
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
      const Vector a = all(v[r * k_size + k]);
      for (int n = 0; n < N; ++n) sums[r][n] = multiply_add(a, b[n], sums[r][n]);
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int n = 0; n < N; ++n) store(m + r * out + n * kLanes, sums[r][n]);
  }
}

template <int N, bool kFirst = true>
void multiply_rows(const float* v, const float* u, float* m, std::int64_t rows, std::int64_t in,
                   std::int64_t wide, std::int64_t out) {
  std::int64_t r = 0;
  for (; r + kRowsAtOnce <= rows; r += kRowsAtOnce)
    multiply<kRowsAtOnce, N, kFirst>(v + r * in, u, m + r * out, in, wide, out);
  for (; r < rows; r += kFewRows)
    multiply<kFewRows, N, kFirst>(v + r * in, u, m + r * out, in, wide, out);
}

// w[i][0 .. N vectors) += sum over tiles t of v[t][i] z[t][...], for R rows i; kFirst: =.
template <int R, int N, bool kFirst>
void add_products(const float* v, const float* z, float* w, std::int64_t tiles, std::int64_t in,
                  std::int64_t out) {
  Vector sums[R][N];
  for (int r = 0; r < R; ++r) {
    for (int n = 0; n < N; ++n) sums[r][n] = kFirst ? zeros() : load(w + r * out + n * kLanes);
  }
  for (std::int64_t t = 0; t < tiles; ++t) {
    Vector b[N];
    for (int n = 0; n < N; ++n) b[n] = load(z + t * out + n * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Vector a = all(v[t * in + r]);
      for (int n = 0; n < N; ++n) sums[r][n] = multiply_add(a, b[n], sums[r][n]);
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int n = 0; n < N; ++n) store(w + r * out + n * kLanes, sums[r][n]);
  }
}

[[maybe_unused]] void multiply_matrices(const float* v, const float* u, float* m, std::int64_t rows,
                                        std::int64_t in, std::int64_t out) {
  std::int64_t o = 0;
  for (; o + kPanel <= out; o += kPanel) multiply_rows<2>(v, u + o, m + o, rows, in, out, out);
  if (o < out) multiply_rows<1>(v, u + o, m + o, rows, in, out, out);
}

// The same product with u stored as panels of kPanel columns, each [in, kPanel]; the last panel may
// be narrower.
template <bool kFirst>
void multiply_panels_of(const float* v, const float* u, float* m, std::int64_t rows,
                        std::int64_t in, std::int64_t out) {
  std::int64_t o = 0;
  for (; o + kPanel <= out; o += kPanel)
    multiply_rows<2, kFirst>(v, u + o * in, m + o, rows, in, kPanel, out);
  if (o < out) multiply_rows<1, kFirst>(v, u + o * in, m + o, rows, in, kLanes, out);
}

[[maybe_unused]] void multiply_panels(const float* v, const float* u, float* m, std::int64_t rows,
                                      std::int64_t in, std::int64_t out) {
  multiply_panels_of<true>(v, u, m, rows, in, out);
}

[[maybe_unused]] void add_panels(const float* v, const float* u, float* m, std::int64_t rows,
                                 std::int64_t in, std::int64_t out) {
  multiply_panels_of<false>(v, u, m, rows, in, out);
}

template <bool kFirst>
void add_matrices_of(const float* v, const float* z, float* w, std::int64_t tiles, std::int64_t in,
                     std::int64_t out) {
  std::int64_t o = 0;
  for (; o + kPanel <= out; o += kPanel) {
    for (std::int64_t i = 0; i < in; i += kWeightRowsAtOnce)
      add_products<kWeightRowsAtOnce, 2, kFirst>(v + i, z + o, w + i * out + o, tiles, in, out);
  }
  if (o == out) return;
  for (std::int64_t i = 0; i < in; i += kWeightRowsAtOnce)
    add_products<kWeightRowsAtOnce, 1, kFirst>(v + i, z + o, w + i * out + o, tiles, in, out);
}

void add_matrices(const float* v, const float* z, float* w, std::int64_t tiles, std::int64_t in,
                  std::int64_t out) {
  add_matrices_of<false>(v, z, w, tiles, in, out);
}

[[maybe_unused]] void put_matrices(const float* v, const float* z, float* w, std::int64_t tiles,
                                   std::int64_t in, std::int64_t out) {
  add_matrices_of<true>(v, z, w, tiles, in, out);
}

}  // namespace
}  // namespace valley::kernels::cpu
