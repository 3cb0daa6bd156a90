#include "record/gif.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/little_endian.h"
#include "record/palette.h"

namespace valley {
namespace {

constexpr int kMaxCodeBits = 12;
constexpr std::size_t kMaxBlock = 255;  // bytes of a data sub-block
constexpr double kHundredths = 100;     // per second

// Codes of growing width, lowest bit first, in data sub-blocks.
class CodeStream {
 public:
  void put(unsigned code, int bits) {
    waiting_ |= code << count_;
    count_ += bits;
    while (count_ >= 8) put_byte();
  }
  // The sub-blocks and their end.
  [[nodiscard]] std::string finish() {
    if (count_ > 0) put_byte();
    std::string blocks;
    for (std::string_view rest = bytes_; !rest.empty();) {
      const std::string_view block = rest.substr(0, kMaxBlock);
      blocks += static_cast<char>(block.size());
      blocks += block;
      rest.remove_prefix(block.size());
    }
    return blocks + '\0';
  }

 private:
  void put_byte() {
    bytes_ += static_cast<char>(waiting_ & 0xFFU);
    waiting_ >>= 8U;
    count_ = count_ > 8 ? count_ - 8 : 0;
  }

  std::string bytes_;
  std::uint32_t waiting_ = 0;
  int count_ = 0;
};

// Codes of strings, which are a known string and one more index.
class CodeTable {
 public:
  CodeTable() { clear(); }
  void clear() { slots_.fill(kEmpty); }
  // The code of `prefix` followed by `index`, or -1.
  [[nodiscard]] int find(unsigned prefix, std::uint8_t index) const {
    const std::uint32_t key = prefix << 8U | index;
    for (std::size_t i = place(key); slots_[i] != kEmpty; i = (i + 1) % kSlots)
      if (slots_[i] >> 12U == key) return static_cast<int>(slots_[i] & 0xFFFU);
    return -1;
  }
  void add(unsigned prefix, std::uint8_t index, unsigned code) {
    const std::uint32_t key = prefix << 8U | index;
    std::size_t i = place(key);
    while (slots_[i] != kEmpty) i = (i + 1) % kSlots;
    slots_[i] = key << 12U | code;
  }

 private:
  static constexpr std::size_t kSlots = std::size_t{1} << 14U;  // four per code
  // No string has it: its code would be that of its own prefix.
  static constexpr std::uint32_t kEmpty = 0xFFFFFFFF;
  static std::size_t place(std::uint32_t key) { return key * 0x9E3779B1U >> 18U; }
  std::array<std::uint32_t, kSlots> slots_{};
};

// LZW in GIF's form (GIF89a, appendix F) of indices below 2^bits, bits >= 2.
std::string compress(const std::vector<std::uint8_t>& indices, int bits) {
  const unsigned clear = 1U << static_cast<unsigned>(bits);
  const unsigned end = clear + 1;
  CodeStream stream;
  CodeTable table;
  unsigned next = end + 1;
  int width = bits + 1;
  stream.put(clear, width);
  unsigned prefix = indices.front();
  for (std::size_t i = 1; i < indices.size(); ++i) {
    if (const int known = table.find(prefix, indices[i]); known >= 0) {
      prefix = static_cast<unsigned>(known);
      continue;
    }
    stream.put(prefix, width);
    if (next < 1U << static_cast<unsigned>(kMaxCodeBits)) {
      if (next == 1U << static_cast<unsigned>(width)) ++width;
      table.add(prefix, indices[i], next++);
    } else {
      stream.put(clear, width);
      table.clear();
      next = end + 1;
      width = bits + 1;
    }
    prefix = indices[i];
  }
  stream.put(prefix, width);
  // The reader, too, adds a string after this code.
  if (next == 1U << static_cast<unsigned>(width) && width < kMaxCodeBits) ++width;
  stream.put(end, width);
  return stream.finish();
}

void append_u16(std::string& bytes, std::int64_t value) {
  append_little_endian(bytes, static_cast<std::uint64_t>(value), 2);
}

}  // namespace

GifWriter::GifWriter(const std::filesystem::path& path, std::int64_t height, std::int64_t width,
                     const GifTiming& timing)
    : file_(path), height_(height), width_(width), rate_(timing.rate) {
  VALLEY_CHECK(height > 0 && width > 0 && height <= kMaxGifSide && width <= kMaxGifSide);
  VALLEY_CHECK(rate_ >= kMinGifRate && rate_ <= kMaxGifRate);
  VALLEY_CHECK(timing.plays >= 0 && timing.plays <= kMaxGifPlays);
  std::string header = "GIF89a";
  append_u16(header, width);
  append_u16(header, height);
  header += std::string("\x70\x00\x00", 3);  // 8 bits per color, no global palette
  if (timing.plays != 1) {
    header += std::string("\x21\xFF\x0BNETSCAPE2.0\x03\x01", 16);
    append_u16(header, timing.plays > 0 ? timing.plays - 1 : 0);  // number of repetitions
    header += '\0';
  }
  file_.write(header);
}

// The difference of rounded times, so that errors do not add up.
std::int64_t GifWriter::next_delay() {
  const auto time = [this](std::int64_t frame) {
    return std::llround(static_cast<double>(frame) * kHundredths / rate_);
  };
  ++frames_;
  return time(frames_) - time(frames_ - 1);
}

void GifWriter::add(const ImageView& frame) {
  VALLEY_CHECK(frame.height == height_ && frame.width == width_);
  const PalettedImage reduced = reduce_colors(frame);
  const int bits = std::max(2, static_cast<int>(std::bit_width(reduced.palette.size() - 1)));
  std::string bytes("\x21\xF9\x04\x04", 4);  // graphic control: leave the frame in place
  append_u16(bytes, next_delay());
  bytes += std::string("\0\0,\0\0\0\0", 7);  // end; image descriptor at (0, 0)
  append_u16(bytes, width_);
  append_u16(bytes, height_);
  bytes += static_cast<char>(0x80 | (bits - 1));  // a local palette of 2^bits colors
  for (std::size_t i = 0; i < std::size_t{1} << static_cast<unsigned>(bits); ++i) {
    const PaletteColor color = i < reduced.palette.size() ? reduced.palette[i] : PaletteColor{};
    for (const std::uint8_t value : color) bytes += static_cast<char>(value);
  }
  bytes += static_cast<char>(bits);
  bytes += compress(reduced.indices, bits);
  file_.write(bytes);
}

void GifWriter::commit() {
  file_.write(";");
  file_.commit();
}

}  // namespace valley
