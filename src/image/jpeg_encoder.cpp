#include "image/jpeg_encoder.h"

#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

// jpeglib.h needs the includes above.
#include <jpeglib.h>

#include "core/error.h"

namespace valley {
namespace {

// libjpeg's compressor into memory. It reports errors with longjmp, which must not skip
// destructors: `encode` has no object that needs one.
class Compressor {
 public:
  Compressor() {
    info_.err = ::jpeg_std_error(&errors_);
    info_.client_data = this;
    errors_.error_exit = [](j_common_ptr info) {
      std::longjmp(static_cast<Compressor*>(info->client_data)->escape_, 1);
    };
    errors_.output_message = [](j_common_ptr) {};
  }
  ~Compressor() {
    ::jpeg_destroy_compress(&info_);
    std::free(bytes_);
  }
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;

  [[nodiscard]] bool encode(const Image& image, int quality) {
    if (setjmp(escape_) != 0) return false;
    jpeg_create_compress(&info_);
    ::jpeg_mem_dest(&info_, &bytes_, &size_);
    info_.image_height = static_cast<JDIMENSION>(image.height);
    info_.image_width = static_cast<JDIMENSION>(image.width);
    info_.input_components = static_cast<int>(image.channels);
    info_.in_color_space = image.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    ::jpeg_set_defaults(&info_);
    ::jpeg_set_quality(&info_, quality, TRUE);
    info_.optimize_coding = TRUE;
    ::jpeg_start_compress(&info_, TRUE);
    while (info_.next_scanline < info_.image_height) {
      auto* row = const_cast<JSAMPROW>(image.row(info_.next_scanline));
      ::jpeg_write_scanlines(&info_, &row, 1);
    }
    ::jpeg_finish_compress(&info_);
    return true;
  }
  [[nodiscard]] std::vector<std::uint8_t> bytes() const { return {bytes_, bytes_ + size_}; }

 private:
  jpeg_compress_struct info_{};
  jpeg_error_mgr errors_{};
  std::jmp_buf escape_{};
  unsigned char* bytes_ = nullptr;
  unsigned long size_ = 0;
};

}  // namespace

std::vector<std::uint8_t> encode_jpeg(const Image& image, int quality) {
  VALLEY_CHECK(image.channels == 1 || image.channels == 3);
  VALLEY_CHECK(quality >= 1 && quality <= 100);
  Compressor compressor;
  if (!compressor.encode(image, quality))
    throw Error(ExitCode::kOutOfMemory, "out of memory while encoding an image of {}x{} as JPEG",
                image.width, image.height);
  return compressor.bytes();
}

}  // namespace valley
