// Animated GIF files (GIF89a, CompuServe 1990), written frame by frame.
//
// Written here and not by giflib: all that a writer needs of it is LZW in one of its forms; the
// palettes, on which the quality depends, would be ours either way.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "core/atomic_file.h"
#include "record/image_grid.h"

namespace valley {

// GIF counts time in hundredths of a second, and browsers slow down frames of less than two.
inline constexpr double kMaxGifRate = 50;
inline constexpr double kMinGifRate = 0.01;
inline constexpr std::int64_t kMaxGifSide = 65535;
inline constexpr std::int64_t kMaxGifPlays = 65535;

struct GifTiming {
  double rate = 25;        // frames per second; times are rounded, their sum is not
  std::int64_t plays = 0;  // 0: repeats without end
};

class GifWriter {
 public:
  // `path` appears with `commit`. Every frame has `width` x `height` pixels, up to kMaxGifSide.
  GifWriter(const std::filesystem::path& path, std::int64_t height, std::int64_t width,
            const GifTiming& timing);

  // Each frame has its own palette (record/palette.h).
  void add(const ImageView& frame);
  void commit();

 private:
  [[nodiscard]] std::int64_t next_delay();

  AtomicFile file_;
  std::int64_t height_;
  std::int64_t width_;
  double rate_;
  std::int64_t frames_ = 0;
};

}  // namespace valley
