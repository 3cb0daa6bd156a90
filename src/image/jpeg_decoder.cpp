#include "image/jpeg_decoder.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>

// jpeglib.h needs the includes above, and the constants of jerror.h depend on jpeglib.h.
// clang-format off
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include "core/error.h"
#include "image/exif.h"

#define VALLEY_TEXT_OF(x) #x
#define VALLEY_TEXT(x) VALLEY_TEXT_OF(x)

namespace valley {
namespace {

constexpr int kMaxScans = 100;  // encoders write about ten
constexpr int kExifMarker = JPEG_APP0 + 1;
constexpr unsigned kLongestMarker = 0xFFFF;

// Warnings after which pixels are wrong. Others (bytes between markers, an unknown revision) do not
// affect them.
bool is_damage(int code) {
  constexpr std::array kCodes{
      static_cast<int>(JWRN_HIT_MARKER), static_cast<int>(JWRN_HUFF_BAD_CODE),
      static_cast<int>(JWRN_ARITH_BAD_CODE), static_cast<int>(JWRN_MUST_RESYNC),
      static_cast<int>(JWRN_BOGUS_PROGRESSION)};
  return std::find(kCodes.begin(), kCodes.end(), code) != kCodes.end();
}

const char* reason_of(int code) {
  switch (code) {
    case JERR_ARITH_NOTIMPL:
    case JERR_BAD_PRECISION:
    case JERR_SOF_UNSUPPORTED:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_CCIR601_NOTIMPL:
    case JERR_FRACT_SAMPLE_NOTIMPL:
      return "unsupported";
    case JERR_INPUT_EMPTY:
    case JERR_INPUT_EOF:
      return "truncated";
    case JERR_OUT_OF_MEMORY:
      return "too large";
    default:
      return "damaged";
  }
}

// libjpeg's decompressor over bytes in memory. It reports errors with longjmp, which must not skip
// destructors: functions that run under `guarded` have no such objects.
class Decompressor {
 public:
  explicit Decompressor(std::string_view file) {
    info_.err = ::jpeg_std_error(&errors_);
    info_.client_data = this;
    errors_.error_exit = [](j_common_ptr info) { self(info).fail(); };
    errors_.emit_message = [](j_common_ptr info, int level) {
      if (level < 0 && is_damage(info->err->msg_code)) self(info).fail();
    };
    errors_.output_message = [](j_common_ptr) {};
    source_.next_input_byte = reinterpret_cast<const JOCTET*>(file.data());
    source_.bytes_in_buffer = file.size();
    source_.init_source = [](j_decompress_ptr) {};
    source_.term_source = [](j_decompress_ptr) {};
    source_.resync_to_restart = ::jpeg_resync_to_restart;
    source_.fill_input_buffer = [](j_decompress_ptr info) -> boolean {
      self(info).fail_with("truncated", "the file ends before the image does");
    };
    source_.skip_input_data = [](j_decompress_ptr info, long bytes) {
      if (bytes <= 0) return;
      if (static_cast<std::size_t>(bytes) > info->src->bytes_in_buffer)
        self(info).fail_with("truncated", "the file ends before the image does");
      info->src->next_input_byte += bytes;
      info->src->bytes_in_buffer -= static_cast<std::size_t>(bytes);
    };
    progress_.progress_monitor = [](j_common_ptr info) {
      if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > kMaxScans)
        self(info).fail_with("damaged", "more than 100 scans");
    };
  }
  ~Decompressor() { ::jpeg_destroy_decompress(&info_); }
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;

  // True if `step` completed; otherwise sets `failure`.
  template <typename Step>
  [[nodiscard]] bool guarded(Step step) {
    if (setjmp(escape_) != 0) return false;
    step();
    return true;
  }

  [[nodiscard]] bool read_header(bool keeps_exif = true) {
    return guarded([this, keeps_exif] {
      jpeg_create_decompress(&info_);
      info_.src = &source_;
      info_.progress = &progress_;
      if (keeps_exif) ::jpeg_save_markers(&info_, kExifMarker, kLongestMarker);
      ::jpeg_read_header(&info_, TRUE);
    });
  }
  [[nodiscard]] bool read_pixels(std::uint8_t* pixels, std::size_t row_bytes) {
    return guarded([this, pixels, row_bytes] {
      ::jpeg_start_decompress(&info_);
      while (info_.output_scanline < info_.output_height) {
        JSAMPROW row = pixels + info_.output_scanline * row_bytes;
        ::jpeg_read_scanlines(&info_, &row, 1);
      }
      ::jpeg_finish_decompress(&info_);
    });
  }
  [[nodiscard]] jpeg_decompress_struct& info() { return info_; }
  [[nodiscard]] Reject failure() const { return {reason_, detail_.data()}; }

 private:
  template <typename Info>
  static Decompressor& self(Info* info) {
    return *static_cast<Decompressor*>(info->client_data);
  }
  [[noreturn]] void fail() {
    (*errors_.format_message)(reinterpret_cast<j_common_ptr>(&info_), detail_.data());
    reason_ = reason_of(errors_.msg_code);
    std::longjmp(escape_, 1);
  }
  [[noreturn]] void fail_with(const char* reason, const char* detail) {
    reason_ = reason;
    std::snprintf(detail_.data(), detail_.size(), "%s", detail);
    std::longjmp(escape_, 1);
  }

  jpeg_decompress_struct info_{};
  jpeg_error_mgr errors_{};
  jpeg_source_mgr source_{};
  jpeg_progress_mgr progress_{};
  std::jmp_buf escape_{};
  const char* reason_ = "";
  std::array<char, JMSG_LENGTH_MAX> detail_{};
};

int orientation_of(const jpeg_decompress_struct& info) {
  for (jpeg_saved_marker_ptr marker = info.marker_list; marker != nullptr; marker = marker->next) {
    const std::string_view data(reinterpret_cast<const char*>(marker->data), marker->data_length);
    if (marker->marker == kExifMarker && data.starts_with(kExifPrefix))
      return exif_orientation(data).value_or(1);
  }
  return 1;
}

// All coefficients are kept until the last scan.
std::uint64_t coefficient_bytes(jpeg_decompress_struct& info) {
  if (jpeg_has_multiple_scans(&info) == FALSE) return 0;
  std::uint64_t blocks = 0;
  for (int c = 0; c < info.num_components; ++c) {
    const jpeg_component_info& component = info.comp_info[c];
    blocks += (std::uint64_t{component.width_in_blocks} + MAX_SAMP_FACTOR) *
              (std::uint64_t{component.height_in_blocks} + MAX_SAMP_FACTOR);
  }
  return blocks * sizeof(JBLOCK);
}

// Adobe's inverted inks: 255 means no ink. a * b / 255 is rounded to nearest, as in Pillow.
void cmyk_to_rgb(Image& image) {
  const std::size_t pixels = image.pixels.size() / 4;
  const std::uint8_t* from = image.pixels.data();
  std::uint8_t* to = image.pixels.data();
  for (std::size_t i = 0; i < pixels; ++i, from += 4, to += 3) {
    const int light = from[3];
    for (int c = 0; c < 3; ++c) {
      const int product = (255 - from[c]) * light + 128;
      to[c] = static_cast<std::uint8_t>(std::max(0, light - ((product + (product >> 8)) >> 8)));
    }
  }
  image.channels = 3;
  image.pixels.resize(pixels * 3);
}

}  // namespace

std::string jpeg_library() { return "libjpeg-turbo " VALLEY_TEXT(LIBJPEG_TURBO_VERSION); }

std::variant<Raster, Reject> decode_jpeg(std::string_view file, DecodeLimits& limits) {
  Decompressor decompressor(file);
  if (!decompressor.read_header()) return decompressor.failure();
  jpeg_decompress_struct& info = decompressor.info();
  const int channels = info.num_components;
  if (channels != 1 && channels != 3 && channels != 4)
    return Reject{"unsupported", "a JPEG of " + std::to_string(channels) + " components"};
  info.out_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK;

  Raster raster;
  raster.orientation = orientation_of(info);
  if (std::optional<Reject> reject =
          limits.admit({info.image_height, info.image_width, static_cast<std::uint64_t>(channels),
                        coefficient_bytes(info), raster.orientation}))
    return *std::move(reject);
  raster.pixels = Image(info.image_height, info.image_width, channels);
  if (!decompressor.read_pixels(raster.pixels.pixels.data(), raster.pixels.row_bytes()))
    return decompressor.failure();
  if (channels == 4) cmyk_to_rgb(raster.pixels);
  return raster;
}

std::optional<Reject> decode_jpeg_into(std::string_view file, const JpegShape& shape,
                                       std::span<std::uint8_t> pixels) {
  VALLEY_CHECK(pixels.size() ==
               static_cast<std::size_t>(shape.height * shape.width * shape.channels));
  Decompressor decompressor(file);
  if (!decompressor.read_header(/*keeps_exif=*/false)) return decompressor.failure();
  jpeg_decompress_struct& info = decompressor.info();
  if (info.image_height != shape.height || info.image_width != shape.width ||
      info.num_components != shape.channels)
    return Reject{"damaged", fmt::format("it holds {}x{} pixels of {} components instead of {}x{} "
                                         "of {}",
                                         info.image_width, info.image_height, info.num_components,
                                         shape.width, shape.height, shape.channels)};
  info.out_color_space = shape.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  const auto row_bytes = static_cast<std::size_t>(shape.width * shape.channels);
  if (!decompressor.read_pixels(pixels.data(), row_bytes)) return decompressor.failure();
  return std::nullopt;
}

}  // namespace valley
