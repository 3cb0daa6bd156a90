#include "image/decode_limits.h"

#include <fmt/core.h>

#include <algorithm>

namespace valley {
namespace {

constexpr std::uint64_t kSmallFile = std::uint64_t{16} << 20U;

double megabytes(std::uint64_t bytes) { return static_cast<double>(bytes) / 1e6; }

}  // namespace

void MemoryBudget::take(std::uint64_t bytes) {
  std::unique_lock lock(mutex_);
  has_room_.wait(lock, [&] { return taken_ == 0 || taken_ + bytes <= bytes_; });
  taken_ += bytes;
}

void MemoryBudget::give_back(std::uint64_t bytes) {
  {
    const std::lock_guard lock(mutex_);
    taken_ -= bytes;
  }
  has_room_.notify_all();
}

void DecodeLimits::take(std::uint64_t bytes) {
  taken_ = bytes;
  if (budget_ != nullptr) budget_->take(bytes);
}

void DecodeLimits::release() {
  if (budget_ != nullptr && taken_ > 0) budget_->give_back(taken_);
  taken_ = 0;
  file_bytes_ = 0;
}

std::optional<Reject> DecodeLimits::admit_file(std::uint64_t bytes) {
  if (bytes > max_bytes())
    return Reject{"too large",
                  fmt::format("a file of {:.0f} MB; at most {:.0f} MB are allowed, which "
                              "--max-pixels raises",
                              megabytes(bytes), megabytes(max_bytes()))};
  file_bytes_ = bytes;
  if (bytes > kSmallFile) take(max_bytes());
  return std::nullopt;
}

std::optional<Reject> DecodeLimits::admit(const ImageHeader& header) {
  const auto [height, width, channels, working_bytes, orientation] = header;
  if (height == 0 || width == 0) return Reject{"damaged", "an image without pixels"};
  if (std::max(height, width) > kMaxSide)
    return Reject{"too large",
                  fmt::format("{}x{} pixels; sides go up to {}", width, height, kMaxSide)};
  const std::uint64_t pixels = height * width;
  if (pixels > max_pixels_)
    return Reject{"too large", fmt::format("{}x{} is {:.1f} million pixels; --max-pixels is {}",
                                           width, height, megabytes(pixels), max_pixels_)};
  const std::uint64_t turned = orientation > 1 ? 3 * pixels : 0;
  const std::uint64_t bytes = file_bytes_ + pixels * channels + working_bytes + turned;
  if (bytes > max_bytes())
    return Reject{"too large",
                  fmt::format("decoding {}x{} takes {:.0f} MB; at most {:.0f} MB are "
                              "allowed, which --max-pixels raises",
                              width, height, megabytes(bytes), megabytes(max_bytes()))};
  if (std::min(height, width) < min_size_)
    return Reject{"too small",
                  fmt::format("{}x{} pixels; --min-size is {}", width, height, min_size_)};
  if (taken_ == 0) take(bytes);
  return std::nullopt;
}

}  // namespace valley
