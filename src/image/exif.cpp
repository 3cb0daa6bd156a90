#include "image/exif.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace valley {
namespace {

constexpr std::uint64_t kOrientationTag = 0x0112;
constexpr std::uint64_t kShort = 3;
constexpr std::uint64_t kEntryBytes = 12;

// Numbers of a TIFF structure in its own byte order; 0 beyond its end.
class Tiff {
 public:
  explicit Tiff(std::string_view data) : data_(data), is_little_(data.starts_with("II")) {}
  [[nodiscard]] bool is_valid() const {
    return (data_.starts_with("II") || data_.starts_with("MM")) && number(2, 2) == 42;
  }
  [[nodiscard]] std::uint64_t number(std::uint64_t offset, std::uint64_t bytes) const {
    if (offset + bytes > data_.size()) return 0;
    std::uint64_t value = 0;
    for (std::uint64_t i = 0; i < bytes; ++i) {
      const std::uint64_t at = is_little_ ? offset + bytes - 1 - i : offset + i;
      value = value << 8U | static_cast<unsigned char>(data_[at]);
    }
    return value;
  }

 private:
  std::string_view data_;
  bool is_little_;
};

// Mirrors rows left to right, in place.
void mirror(Image& image) {
  const auto channels = static_cast<std::size_t>(image.channels);
  for (std::int64_t y = 0; y < image.height; ++y) {
    std::uint8_t* left = image.row(y);
    std::uint8_t* right = left + image.row_bytes() - channels;
    for (; left < right; left += channels, right -= channels)
      std::swap_ranges(left, left + channels, right);
  }
}

// Reverses the order of the rows, in place.
void flip(Image& image) {
  for (std::int64_t y = 0; y < image.height / 2; ++y)
    std::swap_ranges(image.row(y), image.row(y) + image.row_bytes(),
                     image.row(image.height - 1 - y));
}

// Blocks keep both sides in the cache.
Image transposed(const Image& image) {
  constexpr std::int64_t kBlock = 32;
  const auto channels = static_cast<std::size_t>(image.channels);
  Image result(image.width, image.height, image.channels);
  for (std::int64_t top = 0; top < image.height; top += kBlock) {
    for (std::int64_t left = 0; left < image.width; left += kBlock) {
      for (std::int64_t y = top; y < std::min(top + kBlock, image.height); ++y) {
        for (std::int64_t x = left; x < std::min(left + kBlock, image.width); ++x)
          std::copy_n(image.row(y) + x * image.channels, channels,
                      result.row(x) + y * image.channels);
      }
    }
  }
  return result;
}

}  // namespace

int exif_orientation(std::string_view data) {
  if (data.starts_with(kExifPrefix)) data.remove_prefix(kExifPrefix.size());
  const Tiff tiff(data);
  if (!tiff.is_valid()) return 1;
  const std::uint64_t directory = tiff.number(4, 4);
  const std::uint64_t entries = tiff.number(directory, 2);
  for (std::uint64_t i = 0; i < entries; ++i) {
    const std::uint64_t entry = directory + 2 + i * kEntryBytes;
    if (tiff.number(entry, 2) != kOrientationTag || tiff.number(entry + 2, 2) != kShort) continue;
    const std::uint64_t value = tiff.number(entry + 8, 2);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

Image oriented(Image image, int orientation) {
  const bool swaps_axes = orientation >= 5;
  if (swaps_axes) image = transposed(image);
  if (orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7) mirror(image);
  if (orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8) flip(image);
  return image;
}

}  // namespace valley
