// The seeds of many samples, in blocks that are drawn together.
#pragma once

#include <algorithm>
#include <cstdint>

namespace valley::app {

// Block b holds the seeds [b size, (b + 1) size), for every request. A block is always drawn whole,
// so a sample has the same bits whatever the first seed, the count, the ranks and threads are.
struct SeedBlocks {
  std::uint64_t first = 0;  // seed
  std::uint64_t count = 0;  // > 0
  std::uint64_t size = 32;

  [[nodiscard]] std::uint64_t end() const { return first + count; }
  [[nodiscard]] std::uint64_t first_block() const { return first / size; }
  [[nodiscard]] std::uint64_t blocks() const { return (end() - 1) / size - first_block() + 1; }
  // The requested seeds of block `b`.
  [[nodiscard]] std::uint64_t begin_of(std::uint64_t b) const { return std::max(first, b * size); }
  [[nodiscard]] std::uint64_t end_of(std::uint64_t b) const {
    return std::min(end(), (b + 1) * size);
  }
};

}  // namespace valley::app
