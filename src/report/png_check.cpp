#include "report/png_check.h"

#include <zlib.h>

#include <cstddef>
#include <cstdint>

namespace valley::report {
namespace {

// https://www.w3.org/TR/png-3/#5PNG-file-signature
constexpr std::string_view kPngStart = "\x89PNG\r\n\x1A\n";
// A chunk is the length of its data, its type, the data, and the CRC-32 of type and data.
constexpr std::size_t kChunkFieldBytes = 4;

std::uint32_t chunk_field(std::string_view bytes) {
  std::uint32_t value = 0;
  for (const char c : bytes.substr(0, kChunkFieldBytes))
    value = value << 8U | static_cast<unsigned char>(c);
  return value;
}

std::uint32_t chunk_crc32(std::string_view bytes) {
  return static_cast<std::uint32_t>(
      ::crc32_z(0, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()));
}

}  // namespace

bool is_whole_png(std::string_view png) {
  if (!png.starts_with(kPngStart)) return false;
  png.remove_prefix(kPngStart.size());
  for (bool is_first = true; png.size() >= 3 * kChunkFieldBytes; is_first = false) {
    const std::size_t length = chunk_field(png);
    if (length > png.size() - 3 * kChunkFieldBytes) return false;
    const std::string_view checked = png.substr(kChunkFieldBytes, kChunkFieldBytes + length);
    if (chunk_crc32(checked) != chunk_field(png.substr(2 * kChunkFieldBytes + length)))
      return false;
    const std::string_view type = checked.substr(0, kChunkFieldBytes);
    if (is_first != (type == "IHDR")) return false;
    if (type == "IEND") return png.size() == 3 * kChunkFieldBytes + length;
    png.remove_prefix(3 * kChunkFieldBytes + length);
  }
  return false;
}

}  // namespace valley::report
