// Damage to images, done with purpose so that a restoration can be measured, and how it is
// recognised.
//
// Images are float [B, C, H, W] in [0, 1] on the host, at levels of 8 bits. What is drawn for image
// i of a batch is a function of (seed, position + i): the same whatever is beside it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

namespace valley {

struct Damage {
  double noise = 0;            // standard deviation of normal noise on every number
  double salt_and_pepper = 0;  // share of the pixels that are made black or white, one as likely
  at::Tensor erased{};         // bool [H, W]: pixels that are made gray; undefined: none
};

struct DamagedImages {
  at::Tensor images;   // float [B, C, H, W], clipped to [0, 1] and rounded to levels of 8 bits
  at::Tensor unknown;  // bool [B, 1, H, W]: pixels that salt, pepper or gray took
};

// Noise first, then salt and pepper, then what is erased.
[[nodiscard]] DamagedImages make_damage(const at::Tensor& images, const Damage& damage,
                                        std::uint64_t seed, std::uint64_t position);

// Pixels that look like salt or pepper: black or white in all channels, and away from the median of
// the 3x3 pixels around them by more than `kSuspectDistance`. Returns bool [B, 1, H, W].
inline constexpr double kSuspectDistance = 0.3;
[[nodiscard]] at::Tensor salt_and_pepper_suspects(const at::Tensor& images);

// "X,Y,W,H" (left, top, width, height) or "WxH", centred, as bool [side, side], true in the box.
// Error kUsage for what is neither or does not lie within the image.
[[nodiscard]] at::Tensor parse_box(const std::string& text, std::int64_t side);

// uint8 [B, H, W, C], rounded: of what unit_images gives the bytes that it was given.
[[nodiscard]] at::Tensor bytes_of_unit(const at::Tensor& images);

}  // namespace valley
