// Artificial damage to images, for measuring restorations, and the detection of salt and pepper.
//
// Images are float [B, C, H, W] in [0, 1] on the host, quantized to 8 bits. The damage of image i
// of a batch depends on (seed, position + i) only, not on the other images.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

namespace valley {

struct Damage {
  double noise = 0;  // standard deviation of normal noise on every element
  double salt_and_pepper =
      0;                // share of pixels to replace by black or white, with equal probability
  at::Tensor erased{};  // bool [H, W]: pixels to replace by gray; undefined: none
};

struct DamagedImages {
  at::Tensor images;   // float [B, C, H, W], clipped to [0, 1] and quantized to 8 bits
  at::Tensor unknown;  // bool [B, 1, H, W]: pixels replaced by black, white or gray
};

// Applies noise, then salt and pepper, then erases pixels.
[[nodiscard]] DamagedImages make_damage(const at::Tensor& images, const Damage& damage,
                                        std::uint64_t seed, std::uint64_t position);

// Pixels that look like salt or pepper: black or white in all channels, and differing from the
// median of their 3x3 neighborhood by more than `kSuspectDistance`. Returns bool [B, 1, H, W].
inline constexpr double kSuspectDistance = 0.3;
[[nodiscard]] at::Tensor salt_and_pepper_suspects(const at::Tensor& images);

// "X,Y,W,H" (left, top, width, height) or a centered "WxH" as bool [side, side], true in the box.
// Error kUsage for other text and for a box that is not within the image.
[[nodiscard]] at::Tensor parse_box(const std::string& text, std::int64_t side);

// uint8 [B, H, W, C], rounded. Inverse of unit_images.
[[nodiscard]] at::Tensor bytes_from_unit(const at::Tensor& images);

}  // namespace valley
