// Samples as the frames of an animation: a GIF, or numbered PNGs for a video encoder.
#pragma once

#include <ATen/core/Tensor.h>

#include <CLI/App.hpp>
#include <cstdint>
#include <optional>
#include <string>

namespace valley::app {

struct AnimationArguments {
  std::optional<double> rate;  // frames per second
  std::optional<std::int64_t> plays;
  std::optional<std::int64_t> scale;
};

void add_animation_options(CLI::App& command, AnimationArguments& arguments);

// Accepts names of PNG and GIF files.
[[nodiscard]] CLI::Validator png_or_gif_name();

// True for a name that ends in .gif, and for a pattern of numbered PNGs: a name with one %d, or
// %0Nd for N digits, such as "frames/%04d.png".
[[nodiscard]] bool is_animation(const std::string& out);

// Error kUsage or kCannotWrite for outputs that cannot be written and for options that the output
// does not have. `frames`: their number. `side`: of the images, 0 if it is not known yet.
void check_animation(const AnimationArguments& arguments, const std::string& out,
                     std::int64_t frames, std::int64_t side);

// `pixels`: uint8 [n, H, W, C], a frame each. Numbers of PNGs start at 0.
void write_animation(const AnimationArguments& arguments, const std::string& out,
                     const at::Tensor& pixels);

}  // namespace valley::app
