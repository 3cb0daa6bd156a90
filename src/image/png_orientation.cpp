#include "image/png_orientation.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstddef>

#include "image/exif.h"

namespace valley {
namespace {

constexpr std::string_view kRawProfile = "Raw profile type exif";
constexpr std::string_view kXmp = "XML:com.adobe.xmp";
constexpr std::string_view kExifText = "exif";
constexpr std::size_t kMaxText = std::size_t{1} << 20U;

std::string_view keyword_of(std::string_view data) { return data.substr(0, data.find('\0')); }

// Removes and returns the bytes before the first NUL, or all bytes if there is none.
std::string_view take_text(std::string_view& rest) {
  const std::string_view text = keyword_of(rest);
  rest.remove_prefix(std::min(rest.size(), text.size() + 1));
  return text;
}

// Decompressed bytes, also of truncated data; nullopt for a damaged stream or more than kMaxText
// bytes. Subtracts their number from `budget`.
std::optional<std::string> unpacked(std::string_view packed, std::size_t& budget) {
  ::z_stream stream{};
  if (::inflateInit(&stream) != Z_OK) return std::nullopt;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  std::string text;
  std::array<char, 4096> piece{};
  int status = Z_OK;
  const std::size_t limit = std::min(kMaxText, budget);
  while (status == Z_OK && text.size() <= limit) {
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = piece.size();
    status = ::inflate(&stream, Z_NO_FLUSH);
    text.append(piece.data(), piece.size() - stream.avail_out);
  }
  ::inflateEnd(&stream);
  budget -= std::min(budget, text.size());
  // Z_BUF_ERROR: truncated data.
  const bool is_sound = status == Z_STREAM_END || status == Z_BUF_ERROR;
  return is_sound && text.size() <= limit ? std::optional(std::move(text)) : std::nullopt;
}

// Text of a chunk tEXt, zTXt or iTXt; nullopt if it cannot be read.
std::optional<std::string> text_of(std::string_view type, std::string_view data,
                                   std::size_t& budget) {
  take_text(data);  // the keyword
  if (type == "tEXt") return std::string(data);
  if (type == "zTXt") return data.size() > 1 ? unpacked(data.substr(1), budget) : std::string{};
  if (data.size() < 2) return std::nullopt;
  const bool is_packed = data[0] != 0;
  if (is_packed && data[1] != 0) return std::nullopt;  // unknown method
  data.remove_prefix(2);
  take_text(data);  // the language
  take_text(data);  // the translated keyword
  return is_packed ? unpacked(data, budget) : std::string(data);
}

// Hexadecimal bytes after a header of three lines: white space, the profile's name, its length.
// nullopt if there are other characters.
std::string bytes_of_profile(std::string_view text) {
  for (int line = 0; line < 3; ++line) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  std::string digits;
  for (const char c : text) {
    if (std::isspace(static_cast<unsigned char>(c)) == 0) digits += c;
  }
  std::string bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    unsigned value = 0;
    const char* end = digits.data() + i + 2;
    if (std::from_chars(digits.data() + i, end, value, 16).ptr != end) return {};
    bytes += static_cast<char>(value);
  }
  return digits.size() % 2 == 0 ? bytes : std::string{};
}

// tiff:Orientation="6" or <tiff:Orientation>6; 1 if there is neither.
int xmp_orientation(std::string_view xmp) {
  constexpr std::string_view kName = "tiff:Orientation";
  for (auto at = xmp.find(kName); at != std::string_view::npos; at = xmp.find(kName, at + 1)) {
    std::string_view rest = xmp.substr(at + kName.size());
    const std::size_t mark = rest.starts_with("=\"") ? 2 : rest.starts_with('>') ? 1 : 0;
    if (mark == 0 || rest.size() <= mark) continue;
    const char digit = rest[mark];
    if (digit >= '0' && digit <= '9') return digit >= '1' && digit <= '8' ? digit - '0' : 1;
  }
  return 1;
}

}  // namespace

bool PngOrientation::takes(std::string_view type, std::string_view data) {
  if (type == "IDAT" && exif_) is_closed_ = true;
  if (is_closed_) return false;
  if (type == "eXIf") return true;
  if (type != "tEXt" && type != "zTXt" && type != "iTXt") return false;
  const std::string_view keyword = keyword_of(data);
  return keyword == kRawProfile || keyword == kXmp || (type == "tEXt" && keyword == kExifText);
}

void PngOrientation::add(std::string_view type, std::string_view data) {
  if (type == "eXIf") {
    exif_ = std::string(data);
    return;
  }
  std::optional<std::string> text = text_of(type, data, budget_);
  if (!text) return;
  const std::string_view keyword = keyword_of(data);
  if (keyword == kExifText)
    exif_ = std::move(text);
  else if (keyword == kRawProfile)
    raw_profile_ = std::move(text);
  else
    xmp_ = std::move(*text);
}

int PngOrientation::value() const {
  std::optional<int> orientation;
  if (exif_)
    orientation = exif_orientation(*exif_);
  else if (raw_profile_)
    orientation = exif_orientation(bytes_of_profile(*raw_profile_));
  return orientation ? *orientation : xmp_orientation(xmp_);
}

}  // namespace valley
