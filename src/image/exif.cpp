#include "image/exif.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace valley {
namespace {

constexpr std::uint64_t kOrientationTag = 0x0112;
constexpr std::uint64_t kEntryBytes = 12;
constexpr std::uint64_t kInlineBytes = 4;  // values up to this size are stored in the entry

enum class FieldType : std::uint64_t {
  kByte = 1,
  kAscii = 2,
  kShort = 3,
  kLong = 4,
  kRational = 5,
  kSignedByte = 6,
  kUndefined = 7,
  kSignedShort = 8,
  kSignedLong = 9,
  kSignedRational = 10,
  kFloat = 11,
  kDouble = 12,
  kIfd = 13,
  kLong8 = 16,
};

// Size of one value in bytes; 0 for an unknown type.
std::uint64_t bytes_of_type(std::uint64_t type) {
  constexpr std::array<std::uint64_t, 17> kBytes{0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8};
  return type < kBytes.size() ? kBytes[type] : 0;
}

// Integers of a TIFF structure in its byte order; 0 beyond its end.
class Tiff {
 public:
  explicit Tiff(std::string_view data) : data_(data), is_little_(data.starts_with("II")) {}
  // Pillow also accepts 42 with swapped bytes. EXIF does not use BigTIFF (43).
  [[nodiscard]] bool is_valid() const {
    return data_.size() >= 8 && (data_.starts_with("II") || data_.starts_with("MM")) &&
           (number(2, 2) == 42 || number(2, 2) == 42U << 8U);
  }
  [[nodiscard]] bool holds(std::uint64_t offset, std::uint64_t bytes) const {
    return bytes <= data_.size() && offset <= data_.size() - bytes;
  }
  [[nodiscard]] std::uint64_t number(std::uint64_t offset, std::uint64_t bytes) const {
    if (!holds(offset, bytes)) return 0;
    std::uint64_t value = 0;
    for (std::uint64_t i = 0; i < bytes; ++i) {
      const std::uint64_t at = is_little_ ? offset + bytes - 1 - i : offset + i;
      value = value << 8U | static_cast<unsigned char>(data_[at]);
    }
    return value;
  }
  [[nodiscard]] double value(std::uint64_t type, std::uint64_t offset) const;

 private:
  std::string_view data_;
  bool is_little_;
};

// First value of a field; NaN for bytes and strings, which Pillow does not treat as numbers.
double Tiff::value(std::uint64_t type, std::uint64_t offset) const {
  const std::uint64_t bits = number(offset, bytes_of_type(type));
  const auto signed_at = [this](std::uint64_t at) {
    return static_cast<double>(static_cast<std::int32_t>(number(at, 4)));
  };
  switch (static_cast<FieldType>(type)) {
    case FieldType::kShort:
    case FieldType::kLong:
    case FieldType::kIfd:
    case FieldType::kLong8:
      return static_cast<double>(bits);
    case FieldType::kSignedByte:
      return static_cast<std::int8_t>(bits);
    case FieldType::kSignedShort:
      return static_cast<std::int16_t>(bits);
    case FieldType::kSignedLong:
      return static_cast<std::int32_t>(bits);
    case FieldType::kRational:
      return static_cast<double>(number(offset, 4)) / static_cast<double>(number(offset + 4, 4));
    case FieldType::kSignedRational:
      return signed_at(offset) / signed_at(offset + 4);
    case FieldType::kFloat:
      return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    case FieldType::kDouble:
      return std::bit_cast<double>(bits);
    case FieldType::kByte:
    case FieldType::kAscii:
    case FieldType::kUndefined:
      break;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

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

// Blocks, so that source and destination stay in the cache.
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

std::optional<int> exif_orientation(std::string_view data) {
  while (data.starts_with(kExifPrefix)) data.remove_prefix(kExifPrefix.size());
  const Tiff tiff(data);
  if (!tiff.is_valid()) return std::nullopt;
  const std::uint64_t directory = tiff.number(4, 4);
  const std::uint64_t entries = tiff.number(directory, 2);
  std::optional<int> orientation;
  for (std::uint64_t i = 0; i < entries; ++i) {
    const std::uint64_t entry = directory + 2 + i * kEntryBytes;
    if (!tiff.holds(entry, kEntryBytes)) break;
    const std::uint64_t type = tiff.number(entry + 2, 2);
    const std::uint64_t bytes = tiff.number(entry + 4, 4) * bytes_of_type(type);
    if (bytes == 0) continue;
    const bool is_inline = bytes <= kInlineBytes;
    const std::uint64_t offset = is_inline ? entry + 8 : tiff.number(entry + 8, 4);
    if (!tiff.holds(offset, bytes)) break;  // as in Pillow, the rest of the directory is not read
    if (tiff.number(entry, 2) != kOrientationTag) continue;
    const double value = tiff.value(type, offset);
    const bool is_known = value >= 1 && value <= 8 && value == std::floor(value);
    orientation = is_known ? static_cast<int>(value) : 1;
  }
  return orientation;
}

Image oriented(Image image, int orientation) {
  const bool swaps_axes = orientation >= 5;
  if (swaps_axes) image = transposed(image);
  if (orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7) mirror(image);
  if (orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8) flip(image);
  return image;
}

}  // namespace valley
