// Candidates in build order, decoded: by threads of this process (OrderedDecoder), or by the ranks
// of a job (ChunkQueue).
#pragma once

#include <array>
#include <cstdint>
#include <exception>
#include <optional>
#include <vector>

#include "data/manifest.h"
#include "data/pixel_sums.h"
#include "image/image_source.h"

namespace valley {

// A decoded image, or the reason for rejecting it.
struct Decoded {
  std::uint64_t candidate = 0;  // its index in the source
  std::optional<Reject> reject;
  std::vector<std::uint8_t> record;          // as it is stored: pixels or an encoded file
  std::uint8_t codec = 0;                    // of an encoded record: see codec_of
  std::uint32_t crc32c = 0;                  // of the record
  std::array<std::uint32_t, 2> orig_size{};  // height, width
  PixelSums sums;                            // of the pixels that readers get
  std::exception_ptr failure = nullptr;      // failure other than of the image
};

class DecodedStream {
 public:
  virtual ~DecodedStream() = default;
  // The candidate at the next position.
  [[nodiscard]] virtual Decoded next() = 0;
  // If the candidates at the next `images` positions are, without rejects, already in a file that
  // equals shard `index`: gives it the name of the shard and moves on by that many positions.
  [[nodiscard]] virtual std::optional<ShardEntry> take_shard(std::uint64_t /*index*/,
                                                             std::uint64_t /*images*/) {
    return std::nullopt;
  }
  // The journal lists all candidates before `position`, which are not needed again.
  virtual void journaled(std::uint64_t /*position*/) {}
};

}  // namespace valley
