// What decoding one image may cost. A header is checked against it before memory is taken for the
// pixels, so a small file that claims to be huge costs nothing.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>

#include "image/image_source.h"

namespace valley {

// Memory that threads share: who wants more than is left waits until others have given theirs back.
// A single claim may be larger than all of it; then it waits to be alone.
class MemoryBudget {
 public:
  explicit MemoryBudget(std::uint64_t bytes) : bytes_(bytes) {}
  void take(std::uint64_t bytes);
  void give_back(std::uint64_t bytes);

 private:
  std::uint64_t bytes_;
  std::uint64_t taken_ = 0;
  std::mutex mutex_;
  std::condition_variable has_room_;
};

// What a codec has read of an image before it decodes.
struct ImageHeader {
  std::uint64_t height = 0;
  std::uint64_t width = 0;
  std::uint64_t channels = 0;       // decoded, with alpha
  std::uint64_t working_bytes = 0;  // that the codec needs beside the pixels
  int orientation = 1;
};

class DecodeLimits {
 public:
  static constexpr std::uint64_t kMaxSide = 65535;
  static constexpr std::uint64_t kBytesPerPixel = 5;

  // Sides shorter than `min_size` are rejected, and so are more than `max_pixels`. Without a budget
  // memory is not shared.
  DecodeLimits(std::uint64_t min_size, std::uint64_t max_pixels, MemoryBudget* budget = nullptr)
      : min_size_(min_size), max_pixels_(max_pixels), budget_(budget) {}
  ~DecodeLimits() { release(); }
  DecodeLimits(const DecodeLimits&) = delete;
  DecodeLimits& operator=(const DecodeLimits&) = delete;

  // The most that one image may take: its file, its pixels and what its codec works with.
  [[nodiscard]] std::uint64_t max_bytes() const { return kBytesPerPixel * max_pixels_; }

  // A file of this size is about to be read. What is large takes all memory at once: taking more
  // later, with some in hand, could block two threads for ever.
  [[nodiscard]] std::optional<Reject> admit_file(std::uint64_t bytes);
  // The codec is about to decode. Waits for its share of the budget; `release` gives it back.
  [[nodiscard]] std::optional<Reject> admit(const ImageHeader& header);
  void release();

 private:
  void take(std::uint64_t bytes);
  std::uint64_t min_size_;
  std::uint64_t max_pixels_;
  MemoryBudget* budget_;
  std::uint64_t file_bytes_ = 0;
  std::uint64_t taken_ = 0;
};

}  // namespace valley
