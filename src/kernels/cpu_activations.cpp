#include <algorithm>
#include <cstring>
#include <type_traits>
#include <vector>

#include "kernels/activation_launch.h"
#include "kernels/cpu_clones.h"
#include "kernels/parallel.h"

namespace valley::kernels::cpu {
namespace {

// e^x - 1 for x <= 0, to about an ulp: 2^n (e^r - 1) + (2^n - 1) with r in [-ln 2 / 2, ln 2 / 2],
// e^r - 1 by its Taylor series to the 7th power.
VALLEY_INLINE float expm1_of_negative(float x) {
  constexpr float kMin = -87.0F;  // e^-87 is about the smallest normal float
  constexpr float kLog2E = 1.44269504F;
  constexpr float kLn2High = 0.693359375F;
  constexpr float kLn2Low = -2.12194440e-4F;
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: added and subtracted, it rounds to integers
  const float bounded = x < kMin ? kMin : x;
  const float shifted = bounded * kLog2E + kRound;
  const float n = shifted - kRound;
  const float r = (bounded - n * kLn2High) - n * kLn2Low;
  float p = 1.0F / 5040;
  p = p * r + 1.0F / 720;
  p = p * r + 1.0F / 120;
  p = p * r + 1.0F / 24;
  p = p * r + 1.0F / 6;
  p = p * r + 0.5F;
  p = p * r + 1.0F;
  const std::uint32_t exponent = (__builtin_bit_cast(std::uint32_t, shifted) + 127U) << 23U;
  const float scale = __builtin_bit_cast(float, exponent);
  return scale * (p * r) + (scale - 1.0F);
}

VALLEY_INLINE float elu(float x) {
  const float negative = expm1_of_negative(x < 0 ? x : (x == x ? 0.0F : x));
  return x > 0 ? x : negative;
}

// Minimum elements of a tile of rows: loops over few channels would be too short.
constexpr std::int64_t kTile = 512;

std::int64_t rows_of_tile(std::int64_t channels) {
  return std::max<std::int64_t>(1, kTile / channels);
}

template <typename T>
VALLEY_INLINE void bias_elu_tile(T* __restrict y, const float* __restrict bias, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) store(y, i, elu(load(y, i) + bias[i]));
}

VALLEY_CLONES void bias_elu_floats(float* y, const float* bias, std::int64_t n) {
  bias_elu_tile(y, bias, n);
}
VALLEY_CLONES void bias_elu_bf16(Bits16* y, const float* bias, std::int64_t n) {
  bias_elu_tile(y, bias, n);
}

// Also adds out[i] to sums[i] before it is rounded. Slope where y <= 0: `leak`, or y + 1 with kElu.
template <bool kElu, typename T>
VALLEY_INLINE void backward_tile(const T* __restrict grad, const T* __restrict y, T* out,
                                 float* __restrict sums, std::int64_t n, float leak) {
  for (std::int64_t i = 0; i < n; ++i) {
    const float value = load(y, i);
    const float g = load(grad, i) * (value > 0 ? 1.0F : (kElu ? value + 1.0F : leak));
    sums[i] += g;
    store(out, i, g);
  }
}

VALLEY_CLONES void elu_floats(const float* grad, const float* y, float* out, float* sums,
                              std::int64_t n) {
  backward_tile<true>(grad, y, out, sums, n, 0);
}
VALLEY_CLONES void elu_bf16(const Bits16* grad, const Bits16* y, Bits16* out, float* sums,
                            std::int64_t n) {
  backward_tile<true>(grad, y, out, sums, n, 0);
}
VALLEY_CLONES void leaky_floats(const float* grad, const float* y, float* out, float* sums,
                                std::int64_t n, float leak) {
  backward_tile<false>(grad, y, out, sums, n, leak);
}
VALLEY_CLONES void leaky_bf16(const Bits16* grad, const Bits16* y, Bits16* out, float* sums,
                              std::int64_t n, float leak) {
  backward_tile<false>(grad, y, out, sums, n, leak);
}

struct EluTile {
  template <typename T>
  void operator()(const T* grad, const T* y, T* out, float* sums, std::int64_t n) const {
    if constexpr (std::is_same_v<T, float>) {
      elu_floats(grad, y, out, sums, n);
    } else {
      elu_bf16(grad, y, out, sums, n);
    }
  }
};
struct LeakyTile {
  float leak;
  template <typename T>
  void operator()(const T* grad, const T* y, T* out, float* sums, std::int64_t n) const {
    if constexpr (std::is_same_v<T, float>) {
      leaky_floats(grad, y, out, sums, n, leak);
    } else {
      leaky_bf16(grad, y, out, sums, n, leak);
    }
  }
};

template <typename T, typename Tile>
void add_tile(const EluBackward& k, const Tile& tile, std::int64_t begin, std::int64_t n,
              float* sums) {
  tile(static_cast<const T*>(k.grad) + begin, static_cast<const T*>(k.y) + begin,
       static_cast<T*>(k.out) + begin, sums, n);
}

template <typename Tile>
void backward_maps(const EluBackward& k, const Tile& tile) {
  const std::int64_t slices = elu_backward_slices(k.rows);
  const std::int64_t rows = rows_of_tile(k.channels);
  parallel_for(0, slices, parallel_grain(k.rows * k.channels / slices),
               [&](std::int64_t begin, std::int64_t end) {
                 std::vector<float> sums(static_cast<std::size_t>(rows * k.channels));
                 for (std::int64_t s = begin; s < end; ++s) {
                   std::fill(sums.begin(), sums.end(), 0.0F);
                   const std::int64_t last = k.rows * (s + 1) / slices;
                   for (std::int64_t row = k.rows * s / slices; row < last; row += rows) {
                     const std::int64_t n = std::min(rows, last - row) * k.channels;
                     k.bf16 ? add_tile<Bits16>(k, tile, row * k.channels, n, sums.data())
                            : add_tile<float>(k, tile, row * k.channels, n, sums.data());
                   }
                   if (k.bias_grad == nullptr) continue;
                   float* partial = k.partial + s * k.channels;
                   std::copy_n(sums.begin(), k.channels, partial);
                   for (std::int64_t r = 1; r < rows; ++r) {
                     for (std::int64_t c = 0; c < k.channels; ++c)
                       partial[c] += sums[static_cast<std::size_t>(r * k.channels + c)];
                   }
                 }
               });
  if (k.bias_grad == nullptr) return;
  std::fill_n(k.bias_grad, k.channels, 0.0F);
  for (std::int64_t s = 0; s < slices; ++s) {
    for (std::int64_t c = 0; c < k.channels; ++c) k.bias_grad[c] += k.partial[s * k.channels + c];
  }
}

}  // namespace

void run(const BiasElu& k) {
  const std::int64_t rows = rows_of_tile(k.channels);
  std::vector<float> bias(static_cast<std::size_t>(rows * k.channels));
  for (std::int64_t i = 0; i < rows * k.channels; ++i) {
    const std::int64_t c = i % k.channels;
    bias[static_cast<std::size_t>(i)] = k.bias_bf16 ? load(static_cast<const Bits16*>(k.bias), c)
                                                    : load(static_cast<const float*>(k.bias), c);
  }
  const std::int64_t size = rows * k.channels;
  const std::int64_t all = k.rows * k.channels;
  const std::int64_t tiles = (k.rows + rows - 1) / rows;
  parallel_for(0, tiles, parallel_grain(size), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) {
      const std::int64_t n = std::min(size, all - t * size);
      if (k.bf16) {
        bias_elu_bf16(static_cast<Bits16*>(k.y) + t * size, bias.data(), n);
      } else {
        bias_elu_floats(static_cast<float*>(k.y) + t * size, bias.data(), n);
      }
    }
  });
}

void run(const EluBackward& k) { backward_maps(k, EluTile{}); }
void run(const LeakyBackward& k) { backward_maps(k.maps, LeakyTile{k.leak}); }

}  // namespace valley::kernels::cpu
