#include <ATen/Parallel.h>

#include <array>
#include <cmath>
#include <cstring>

#include "kernels/launch.h"

namespace valley::kernels::cpu {
namespace {

constexpr std::int64_t kGrain = 1 << 15;  // elements a thread takes at least

// The update of PyTorch's Adam, element by element; compiled twice below, once with the wide
// instructions.
inline __attribute__((always_inline)) void adam_range(const Adam& k, AdamFactors factors,
                                                      std::int64_t begin, std::int64_t end) {
  const auto beta1 = static_cast<float>(k.beta1);
  const auto beta2 = static_cast<float>(k.beta2);
  const auto rest1 = static_cast<float>(1.0 - k.beta1);
  const auto rest2 = static_cast<float>(1.0 - k.beta2);
  const auto epsilon = static_cast<float>(k.epsilon);
  float* __restrict value = k.value;
  float* __restrict first = k.first;
  float* __restrict second = k.second;
  const float* __restrict gradient = k.gradient;
  for (std::int64_t i = begin; i < end; ++i) {
    const float g = gradient[i];
    const float m = beta1 * first[i] + rest1 * g;
    const float v = beta2 * second[i] + rest2 * g * g;
    first[i] = m;
    second[i] = v;
    value[i] -= factors.step * m / (__builtin_sqrtf(v) * factors.second_scale + epsilon);
  }
}

inline __attribute__((always_inline)) void average_range(const MovingAverage& k, std::int64_t begin,
                                                         std::int64_t end) {
  float* __restrict average = k.average;
  const float* __restrict value = k.value;
  for (std::int64_t i = begin; i < end; ++i) average[i] += k.weight * (value[i] - average[i]);
}

void adam_plain(const Adam& k, AdamFactors f, std::int64_t begin, std::int64_t end) {
  adam_range(k, f, begin, end);
}
void average_plain(const MovingAverage& k, std::int64_t begin, std::int64_t end) {
  average_range(k, begin, end);
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) void adam_wide(const Adam& k, AdamFactors f, std::int64_t begin,
                                                   std::int64_t end) {
  adam_range(k, f, begin, end);
}
__attribute__((target("avx2,fma"))) void average_wide(const MovingAverage& k, std::int64_t begin,
                                                      std::int64_t end) {
  average_range(k, begin, end);
}
bool has_wide() {
  return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
}
#else
constexpr auto adam_wide = adam_plain;
constexpr auto average_wide = average_plain;
bool has_wide() { return false; }
#endif

}  // namespace

void run(const ImagesFromBytes& k) {
  static const auto kTable = [] {
    std::array<float, 256> table{};
    for (unsigned i = 0; i < table.size(); ++i)
      table[i] = pixel_value(static_cast<std::uint8_t>(i));
    return table;
  }();
  const std::int64_t row = k.width * k.channels;
  const std::int64_t image = k.height * row;
  const auto first = static_cast<std::uint64_t>(*k.position + k.offset);
  at::parallel_for(0, k.batch, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) {
      const std::uint8_t* in = k.bytes + b * image;
      float* out = k.out + b * image;
      if (!k.mirror || !is_mirrored(k.seed, first + static_cast<std::uint64_t>(b))) {
        for (std::int64_t i = 0; i < image; ++i) out[i] = kTable[in[i]];
        continue;
      }
      for (std::int64_t y = 0; y < k.height; ++y) {
        for (std::int64_t x = 0; x < k.width; ++x) {
          for (std::int64_t c = 0; c < k.channels; ++c) {
            out[y * row + x * k.channels + c] =
                kTable[in[y * row + (k.width - 1 - x) * k.channels + c]];
          }
        }
      }
    }
  });
}

void run(const FillUniform& k) {
  const auto first = static_cast<std::uint64_t>(*k.position + k.offset);
  for (std::int64_t row = 0; row < k.rows; ++row) {
    for (std::int64_t column = 0; column < k.columns; column += 4) {
      const PhiloxBlock block = philox(k.seed, k.stream, first + static_cast<std::uint64_t>(row),
                                       static_cast<std::uint32_t>(column / 4));
      for (std::int64_t i = 0; i < 4 && column + i < k.columns; ++i) {
        k.out[row * k.columns + column + i] = k.low + (k.high - k.low) * uniform01(block.word[i]);
      }
    }
  }
}

void run(const FillNormal& k) {
  const auto first = static_cast<std::uint64_t>(*k.position + k.offset);
  at::parallel_for(0, k.rows, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      for (std::int64_t column = 0; column < k.columns; column += 4) {
        const PhiloxBlock block = philox(k.seed, k.stream, first + static_cast<std::uint64_t>(row),
                                         k.first_block + static_cast<std::uint32_t>(column / 4));
        const NormalPair a = normal01(block.word[0], block.word[1]);
        const NormalPair b = normal01(block.word[2], block.word[3]);
        const float values[4] = {a.first, a.second, b.first, b.second};
        for (std::int64_t i = 0; i < 4 && column + i < k.columns; ++i)
          k.out[row * k.columns + column + i] = k.deviation * values[i];
      }
    }
  });
}

void run(const Adam& k) {
  if (*k.skip != 0) return;
  const auto t = static_cast<double>(*k.updates);
  const AdamFactors factors{static_cast<float>(*k.rate / (1.0 - std::pow(k.beta1, t))),
                            static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(k.beta2, t)))};
  const bool wide = has_wide();
  at::parallel_for(0, k.n, kGrain, [&](std::int64_t begin, std::int64_t end) {
    wide ? adam_wide(k, factors, begin, end) : adam_plain(k, factors, begin, end);
  });
}

void run(const MovingAverage& k) {
  if (*k.skip != 0) return;
  const bool wide = has_wide();
  at::parallel_for(0, k.n, kGrain, [&](std::int64_t begin, std::int64_t end) {
    wide ? average_wide(k, begin, end) : average_plain(k, begin, end);
  });
}

}  // namespace valley::kernels::cpu
