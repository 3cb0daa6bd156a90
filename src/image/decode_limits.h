// Limits on decoding one image. Headers are checked before memory for pixels is allocated, so that
// a small file that claims to be huge is rejected early.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>

#include "image/image_source.h"

namespace valley {

// Memory budget shared by threads: a claim waits until others have released enough. A claim larger
// than the whole budget waits until there are no others.
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

// Header of an image, as read by a codec before decoding.
struct ImageHeader {
  std::uint64_t height = 0;
  std::uint64_t width = 0;
  std::uint64_t channels = 0;       // decoded, with alpha
  std::uint64_t working_bytes = 0;  // memory that the codec needs besides the pixels
  int orientation = 1;
};

class DecodeLimits {
 public:
  static constexpr std::uint64_t kMaxSide = 65535;
  static constexpr std::uint64_t kBytesPerPixel = 5;

  // Rejects sides shorter than `min_size` and more than `max_pixels`. Without a budget memory is
  // not shared.
  DecodeLimits(std::uint64_t min_size, std::uint64_t max_pixels, MemoryBudget* budget = nullptr)
      : min_size_(min_size), max_pixels_(max_pixels), budget_(budget) {}
  ~DecodeLimits() { release(); }
  DecodeLimits(const DecodeLimits&) = delete;
  DecodeLimits& operator=(const DecodeLimits&) = delete;

  // Maximum memory of one image: its file, its pixels and the working memory of its codec.
  [[nodiscard]] std::uint64_t max_bytes() const { return kBytesPerPixel * max_pixels_; }

  // Call before reading a file of this size. Claims the maximum memory for large files at once:
  // claiming more later could deadlock two threads.
  [[nodiscard]] std::optional<Reject> admit_file(std::uint64_t bytes);
  // Call before decoding. Waits for a share of the budget; `release` returns it.
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
