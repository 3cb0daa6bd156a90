#include "image/png_decoder.h"

#include <fmt/core.h>
#include <png.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <vector>

#include "image/png_orientation.h"

namespace valley {
namespace {

constexpr std::size_t kSignatureBytes = 8;
constexpr std::size_t kChunkOverhead = 12;  // length, type, CRC
constexpr std::size_t kHeaderChunk = 13;

std::uint32_t big_endian(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8U | static_cast<unsigned char>(bytes[i]);
  return value;
}

struct Chunk {
  std::string_view whole;  // length, type, data, CRC
  [[nodiscard]] std::string_view type() const { return whole.substr(4, 4); }
  [[nodiscard]] std::string_view data() const {
    return whole.substr(8, whole.size() - kChunkOverhead);
  }
  [[nodiscard]] bool has_right_crc() const {
    const auto* bytes = reinterpret_cast<const Bytef*>(whole.data() + 4);
    return ::crc32_z(0, bytes, whole.size() - 8) == big_endian(whole.substr(whole.size() - 4));
  }
};

// The parts of the file that libpng reads, as consecutive pieces.
struct Layout {
  std::vector<std::string_view> pieces;
  Chunk header;
  std::vector<char> palette;  // completed PLTE chunk, if the file's has fewer entries
  PngOrientation orientation;
  bool has_transparency = false;
};

void append(std::vector<std::string_view>& pieces, std::string_view piece) {
  if (!pieces.empty() && pieces.back().data() + pieces.back().size() == piece.data())
    pieces.back() = {pieces.back().data(), pieces.back().size() + piece.size()};
  else
    pieces.push_back(piece);
}

void put_big_endian(std::vector<char>& to, std::uint32_t value) {
  for (unsigned shift = 32; shift > 0;) to.push_back(static_cast<char>(value >> (shift -= 8)));
}

// PLTE chunk with an entry for every index of the bit depth; missing entries are (i, i, i), as in
// Pillow 9.4. Empty if no entry is missing or the chunk is invalid.
std::vector<char> full_palette(const Chunk& palette, const Chunk& header) {
  const auto depth = static_cast<unsigned char>(header.data()[8]);
  const auto color_type = static_cast<unsigned char>(header.data()[9]);
  const std::size_t entries = palette.data().size() / 3;
  const std::size_t wanted = depth <= 8 ? std::size_t{1} << depth : 0;
  if (color_type != PNG_COLOR_TYPE_PALETTE || palette.data().size() % 3 != 0 || entries == 0 ||
      entries >= wanted || !palette.has_right_crc())
    return {};
  std::vector<char> chunk;
  put_big_endian(chunk, static_cast<std::uint32_t>(3 * wanted));
  for (const char letter : palette.type()) chunk.push_back(letter);
  for (const char value : palette.data()) chunk.push_back(value);
  for (std::size_t i = entries; i < wanted; ++i) chunk.insert(chunk.end(), 3, static_cast<char>(i));
  const auto* bytes = reinterpret_cast<const Bytef*>(chunk.data() + 4);
  put_big_endian(chunk, static_cast<std::uint32_t>(::crc32_z(0, bytes, chunk.size() - 4)));
  return chunk;
}

// Critical chunks (first letter in upper case), whose CRCs libpng checks, and tRNS are passed to
// libpng.
std::variant<Layout, Reject> lay_out(std::string_view file) {
  Layout layout;
  append(layout.pieces, file.substr(0, kSignatureBytes));
  std::string_view rest = file.substr(kSignatureBytes);
  while (true) {
    if (rest.size() < kChunkOverhead || big_endian(rest) > rest.size() - kChunkOverhead)
      return Reject{"truncated", "the file ends before the image does"};
    const Chunk chunk{rest.substr(0, big_endian(rest) + kChunkOverhead)};
    rest.remove_prefix(chunk.whole.size());
    const bool is_transparency = chunk.type() == "tRNS";
    const bool tells_orientation = layout.orientation.takes(chunk.type(), chunk.data());
    if ((is_transparency || tells_orientation) && !chunk.has_right_crc())
      return Reject{"damaged", fmt::format("the CRC of a chunk {} is wrong", chunk.type())};
    if (tells_orientation) layout.orientation.add(chunk.type(), chunk.data());
    layout.has_transparency |= is_transparency;
    if (layout.header.whole.empty()) {
      layout.header = chunk;
      if (chunk.type() != "IHDR" || chunk.data().size() != kHeaderChunk)
        return Reject{"damaged", "it does not start with the chunk IHDR"};
    }
    const bool is_critical = (chunk.type()[0] & 0x20) == 0;
    const bool is_first_palette = chunk.type() == "PLTE" && layout.palette.empty();
    if (is_first_palette) layout.palette = full_palette(chunk, layout.header);
    if (is_first_palette && !layout.palette.empty())
      append(layout.pieces, {layout.palette.data(), layout.palette.size()});
    else if (is_critical || is_transparency)
      append(layout.pieces, chunk.whole);
    if (chunk.type() == "IEND") return layout;
  }
}

// libpng's reader over pieces of memory. It reports errors with longjmp, which must not skip
// destructors: functions that run under `guarded` have no such objects.
class Reader {
 public:
  explicit Reader(const std::vector<std::string_view>& pieces)
      : next_(pieces.data()), end_(pieces.data() + pieces.size()) {
    png_ = ::png_create_read_struct(
        PNG_LIBPNG_VER_STRING, this,
        [](png_structp png, png_const_charp text) {
          static_cast<Reader*>(::png_get_error_ptr(png))->fail(text);
        },
        [](png_structp, png_const_charp) {});
    if (png_ != nullptr) info_ = ::png_create_info_struct(png_);
  }
  ~Reader() { ::png_destroy_read_struct(&png_, &info_, nullptr); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  template <typename Step>
  [[nodiscard]] bool guarded(Step step) {
    if (info_ == nullptr) return false;
    if (setjmp(escape_) != 0) return false;
    step();
    return true;
  }

  [[nodiscard]] bool read_header() {
    return guarded([this] {
      ::png_set_read_fn(png_, this, [](png_structp png, png_bytep to, std::size_t bytes) {
        static_cast<Reader*>(::png_get_io_ptr(png))->read(to, bytes);
      });
      ::png_read_info(png_, info_);
      ::png_set_expand(png_);
      ::png_set_strip_16(png_);
      passes_ = ::png_set_interlace_handling(png_);
      ::png_read_update_info(png_, info_);
    });
  }
  [[nodiscard]] std::int64_t channels() const { return ::png_get_channels(png_, info_); }
  [[nodiscard]] bool read_pixels(Image& pixels) {
    return guarded([this, &pixels] {
      for (int pass = 0; pass < passes_; ++pass) {
        for (std::int64_t y = 0; y < pixels.height; ++y)
          ::png_read_row(png_, pixels.row(y), nullptr);
      }
      ::png_read_end(png_, nullptr);
    });
  }
  [[nodiscard]] Reject failure() const { return {"damaged", detail_.data()}; }

 private:
  [[noreturn]] void fail(const char* text) {
    std::snprintf(detail_.data(), detail_.size(), "%s", text);
    std::longjmp(escape_, 1);
  }
  void read(png_bytep to, std::size_t bytes) {
    while (bytes > 0) {
      if (next_ == end_) ::png_error(png_, "the file ends before the image does");
      const std::size_t part = std::min(bytes, next_->size() - done_);
      std::memcpy(to, next_->data() + done_, part);
      to += part;
      bytes -= part;
      done_ += part;
      if (done_ == next_->size()) {
        ++next_;
        done_ = 0;
      }
    }
  }

  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  const std::string_view* next_;
  const std::string_view* end_;
  std::size_t done_ = 0;  // bytes of *next_ that were read
  int passes_ = 1;
  std::jmp_buf escape_{};
  std::array<char, 256> detail_{"libpng ran out of memory"};
};

// Number of channels of a color type.
std::uint64_t channels_of(const Layout& layout) {
  constexpr std::array<std::uint64_t, 7> kChannels{1, 0, 3, 3, 2, 0, 4};
  const auto type = static_cast<unsigned char>(layout.header.data()[9]);
  const std::uint64_t own = type < kChannels.size() ? kChannels[type] : 0;
  return own + (layout.has_transparency && (own == 1 || own == 3) ? 1 : 0);
}

}  // namespace

std::string png_library() {
  return std::string("libpng ") + ::png_get_libpng_ver(nullptr) + ", zlib " + ::zlibVersion();
}

std::variant<Raster, Reject> decode_png(std::string_view file, DecodeLimits& limits) {
  std::variant<Layout, Reject> read = lay_out(file);
  if (auto* reject = std::get_if<Reject>(&read)) return std::move(*reject);
  const Layout& layout = std::get<Layout>(read);
  Raster raster;
  raster.orientation = layout.orientation.value();
  const std::uint32_t width = big_endian(layout.header.data());
  const std::uint32_t height = big_endian(layout.header.data().substr(4));
  const std::uint64_t channels = channels_of(layout);
  if (channels == 0) return Reject{"damaged", "an unknown color type"};
  if (std::optional<Reject> reject = limits.admit({height, width, channels, 0, raster.orientation}))
    return *std::move(reject);

  Reader reader(layout.pieces);
  if (!reader.read_header()) return reader.failure();
  raster.pixels = Image(height, width, reader.channels());
  if (!reader.read_pixels(raster.pixels)) return reader.failure();
  return raster;
}

}  // namespace valley
