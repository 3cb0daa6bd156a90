#include <ATen/Parallel.h>

#include <array>

#include "kernels/launch.h"

namespace valley::kernels::cpu {

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
  at::parallel_for(0, k.rows, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      for (std::int64_t column = 0; column < k.columns; column += 4) {
        const PhiloxBlock block = philox(k.seed, k.stream, first + static_cast<std::uint64_t>(row),
                                         k.first_block + static_cast<std::uint32_t>(column / 4));
        for (std::int64_t i = 0; i < 4 && column + i < k.columns; ++i) {
          k.out[row * k.columns + column + i] = k.low + (k.high - k.low) * uniform01(block.word[i]);
        }
      }
    }
  });
}

void run(const FillNormal& k) {
  const auto first = static_cast<std::uint64_t>(*k.position + k.offset);
  const std::uint32_t first_block = first_block_of(k);
  at::parallel_for(0, k.rows, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      for (std::int64_t column = 0; column < k.columns; column += 4) {
        const PhiloxBlock block = philox(k.seed, k.stream, first + static_cast<std::uint64_t>(row),
                                         first_block + static_cast<std::uint32_t>(column / 4));
        const NormalPair a = normal01(block.word[0], block.word[1]);
        const NormalPair b = normal01(block.word[2], block.word[3]);
        const float values[4] = {a.first, a.second, b.first, b.second};
        for (std::int64_t i = 0; i < 4 && column + i < k.columns; ++i)
          k.out[row * k.columns + column + i] = k.deviation * values[i];
      }
    }
  });
}

}  // namespace valley::kernels::cpu
