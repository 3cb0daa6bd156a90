#include <algorithm>
#include <array>

#include "kernels/cpu_clones.h"
#include "kernels/launch.h"
#include "kernels/parallel.h"

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
  parallel_for(0, k.batch, parallel_grain(image), [&](std::int64_t begin, std::int64_t end) {
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

namespace {

// Philox blocks that are computed together, in vectors.
constexpr std::int64_t kBlocksAtOnce = 16;
// Time of one number in element-wise operations, roughly.
constexpr std::int64_t kDrawCost = 4;
using PhiloxWords = std::uint32_t[4][kBlocksAtOnce];

// kBlocksAtOnce consecutive blocks, with the words of philox().
VALLEY_CLONES void philox_blocks_of(std::uint64_t seed, std::uint32_t stream,
                                    std::uint64_t position, std::uint32_t block,
                                    PhiloxWords& word) {
  std::uint32_t c0[kBlocksAtOnce];
  std::uint32_t c1[kBlocksAtOnce];
  std::uint32_t c2[kBlocksAtOnce];
  std::uint32_t c3[kBlocksAtOnce];
  for (std::uint32_t i = 0; i < kBlocksAtOnce; ++i) {
    c0[i] = static_cast<std::uint32_t>(position);
    c1[i] = static_cast<std::uint32_t>(position >> 32U);
    c2[i] = stream;
    c3[i] = block + i;
  }
  PhiloxKey key(seed);
  for (int round = 0; round < kPhiloxRounds; ++round) {
    for (std::int64_t i = 0; i < kBlocksAtOnce; ++i) philox_round(key, c0[i], c1[i], c2[i], c3[i]);
    key.next();
  }
  for (std::int64_t i = 0; i < kBlocksAtOnce; ++i) {
    word[0][i] = c0[i];
    word[1][i] = c1[i];
    word[2][i] = c2[i];
    word[3][i] = c3[i];
  }
}

// Calls put(output, block, number of words to use) for each block of each row.
template <typename Kernel, typename Put>
void draw(const Kernel& k, std::uint32_t first_block, const Put& put) {
  const auto first = static_cast<std::uint64_t>(*k.position + k.offset);
  const std::int64_t blocks = philox_blocks(k.columns);
  parallel_for(0, k.rows, parallel_grain(kDrawCost * k.columns),
               [&](std::int64_t begin, std::int64_t end) {
                 PhiloxWords word;
                 for (std::int64_t row = begin; row < end; ++row) {
                   for (std::int64_t block = 0; block < blocks; block += kBlocksAtOnce) {
                     philox_blocks_of(k.seed, k.stream, first + static_cast<std::uint64_t>(row),
                                      first_block + static_cast<std::uint32_t>(block), word);
                     const std::int64_t ready = std::min(kBlocksAtOnce, blocks - block);
                     for (std::int64_t i = 0; i < ready; ++i) {
                       const std::int64_t column = 4 * (block + i);
                       put(k.out + row * k.columns + column,
                           PhiloxBlock{{word[0][i], word[1][i], word[2][i], word[3][i]}},
                           std::min<std::int64_t>(4, k.columns - column));
                     }
                   }
                 }
               });
}

}  // namespace

void run(const FillUniform& k) {
  draw(k, k.first_block, [&](float* out, const PhiloxBlock& block, std::int64_t n) {
    float values[4];
    for (std::int64_t i = 0; i < 4; ++i)
      values[i] = k.low + (k.high - k.low) * uniform01(block.word[i]);
    std::copy_n(values, n, out);
  });
}

void run(const FillNormal& k) {
  draw(k, first_block_of(k), [&](float* out, const PhiloxBlock& block, std::int64_t n) {
    const NormalPair a = normal01(block.word[0], block.word[1]);
    const NormalPair b = normal01(block.word[2], block.word[3]);
    const float values[4] = {a.first, a.second, b.first, b.second};
    for (std::int64_t i = 0; i < n; ++i) out[i] = k.deviation * values[i];
  });
}

void run(const ShiftAndCut& k) {
  const std::int64_t row = k.width * k.channels;
  parallel_for(0, k.batch * k.height, parallel_grain(row),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t i = begin; i < end; ++i) {
                   const std::int32_t* window = k.windows + i / k.height * kWindowSize;
                   const float* in = k.in + i / k.height * k.height * row;
                   float* out = k.out + i * row;
                   for (std::int64_t x = 0; x < k.width; ++x, out += k.channels) {
                     const std::int64_t from = source_pixel(k, window, i % k.height, x);
                     for (std::int64_t c = 0; c < k.channels; ++c)
                       out[c] = from < 0 ? k.fill : in[from * k.channels + c];
                   }
                 }
               });
}

}  // namespace valley::kernels::cpu
