// Small files of every format for tests of the decoders, made by the codecs' own encoders.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

// jpeglib.h needs what is included above.
#include <jpeglib.h>
#include <png.h>
#include <webp/encode.h>

#include "core/hash.h"
#include "image/image.h"

namespace valley {

// Smooth noise, keyed by the channels.
inline Image test_picture(std::int64_t height, std::int64_t width, std::int64_t channels) {
  Image image(height, width, channels);
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t i = 0; i < width * channels; ++i) {
      const auto cell = static_cast<std::uint64_t>(y / 4 * 1000 + i / (4 * channels));
      const auto channel = static_cast<std::uint64_t>(i % channels);
      image.row(y)[i] = static_cast<std::uint8_t>(mix64(cell * 8 + channel));
    }
  }
  return image;
}

inline std::string png_of(const Image& image) {
  constexpr std::uint32_t kFormats[] = {0, PNG_FORMAT_GRAY, PNG_FORMAT_GA, PNG_FORMAT_RGB,
                                        PNG_FORMAT_RGBA};
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.width = static_cast<png_uint_32>(image.width);
  png.height = static_cast<png_uint_32>(image.height);
  png.format = kFormats[image.channels];
  png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(png);
  std::string file(bytes, '\0');
  if (png_image_write_to_memory(&png, file.data(), &bytes, 0, image.pixels.data(), 0, nullptr) == 0)
    throw std::runtime_error(png.message);
  file.resize(bytes);
  return file;
}

// 1, 3 or 4 (CMYK) channels.
inline std::string jpeg_of(const Image& image, bool progressive = false) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &bytes, &size);
  info.image_width = static_cast<JDIMENSION>(image.width);
  info.image_height = static_cast<JDIMENSION>(image.height);
  info.input_components = static_cast<int>(image.channels);
  info.in_color_space = image.channels == 1   ? JCS_GRAYSCALE
                        : image.channels == 3 ? JCS_RGB
                                              : JCS_CMYK;
  jpeg_set_defaults(&info);
  if (progressive) jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    auto* row = const_cast<JSAMPROW>(image.row(info.next_scanline));
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  std::string file(reinterpret_cast<char*>(bytes), size);
  jpeg_destroy_compress(&info);
  std::free(bytes);
  return file;
}

// 3 or 4 channels.
inline std::string webp_of(const Image& image, bool lossless) {
  const int width = static_cast<int>(image.width);
  const int height = static_cast<int>(image.height);
  const int stride = static_cast<int>(image.row_bytes());
  const std::uint8_t* pixels = image.pixels.data();
  std::uint8_t* bytes = nullptr;
  const std::size_t size =
      image.channels == 3
          ? (lossless ? WebPEncodeLosslessRGB(pixels, width, height, stride, &bytes)
                      : WebPEncodeRGB(pixels, width, height, stride, 80, &bytes))
          : (lossless ? WebPEncodeLosslessRGBA(pixels, width, height, stride, &bytes)
                      : WebPEncodeRGBA(pixels, width, height, stride, 80, &bytes));
  std::string file(reinterpret_cast<char*>(bytes), size);
  WebPFree(bytes);
  return file;
}

}  // namespace valley
