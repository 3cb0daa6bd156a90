#include "app/sample/animation.h"

#include <fmt/format.h>

#include <CLI/Config.hpp>
#include <cctype>
#include <filesystem>
#include <string_view>

#include "app/options.h"
#include "core/atomic_file.h"
#include "core/error.h"
#include "core/file_system.h"
#include "core/file_type.h"
#include "record/gif.h"
#include "record/image_grid.h"

namespace valley::app {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMaxScale = 64;

std::string lower_extension(const std::string& name) {
  std::string extension = fs::path(name).extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return extension;
}

bool is_gif(const std::string& out) { return lower_extension(out) == ".gif"; }

// "frames/", 4, ".png" for "frames/%04d.png".
struct NumberedNames {
  std::string before;
  int digits = 1;
  std::string after;

  [[nodiscard]] fs::path name(std::int64_t i) const {
    return fmt::format("{}{:0{}}{}", before, i, digits, after);
  }
};

std::optional<NumberedNames> parse_pattern(const std::string& out) {
  const std::size_t percent = out.find('%');
  if (percent == std::string::npos || out.find('%', percent + 1) != std::string::npos)
    return std::nullopt;
  NumberedNames names{out.substr(0, percent), 1, ""};
  std::size_t at = percent + 1;
  if (at + 1 < out.size() && out[at] == '0' && out[at + 1] >= '1' && out[at + 1] <= '9') {
    names.digits = out[at + 1] - '0';
    at += 2;
  }
  if (at >= out.size() || out[at] != 'd') return std::nullopt;
  names.after = out.substr(at + 1);
  return names;
}

ImageView frame_view(const at::Tensor& pixels) {
  return {{pixels.const_data_ptr<std::uint8_t>(), static_cast<std::size_t>(pixels.numel())},
          pixels.size(0),
          pixels.size(1),
          pixels.size(2)};
}

at::Tensor enlarged(const at::Tensor& frame, std::int64_t scale) {
  return frame.repeat_interleave(scale, 0).repeat_interleave(scale, 1).contiguous();
}

// A video encoder would append frames of a longer animation.
void require_no_later_frame(const NumberedNames& names, std::int64_t frames) {
  if (const fs::path next = names.name(frames); is_there(next, true))
    throw Error(ExitCode::kCannotWrite,
                "{} exists: it belongs to a longer animation than this one, of {} frames; remove "
                "its files, or choose another name",
                next.string(), frames);
}

void make_parent(const fs::path& path) {
  if (!path.has_parent_path()) return;
  std::error_code status;
  fs::create_directories(path.parent_path(), status);
  if (status)
    throw file_error("making the folder", path.parent_path().string(), status.value(), true);
}

}  // namespace

void add_animation_options(CLI::App& command, AnimationArguments& a) {
  command.add_option("--fps", a.rate, "Frames per second of a GIF [25]")
      ->transform(number_range<double>(kMinGifRate, kMaxGifRate))
      ->type_name("F");
  command.add_option("--plays", a.plays, "How often a GIF plays; 0: without end [0]")
      ->transform(number_range<std::int64_t>(0, kMaxGifPlays))
      ->type_name("N");
  command
      .add_option("--scale", a.scale, "Enlarge frames: N x N pixels per pixel of the sample [1]")
      ->transform(number_range<std::int64_t>(1, kMaxScale))
      ->type_name("N");
}

CLI::Validator png_or_gif_name() {
  return CLI::Validator(
      [](std::string& text) {
        const std::string extension = lower_extension(text);
        if (extension == ".png" || extension == ".gif" || extension.empty()) return std::string();
        return fmt::format("\"{}\" is written as PNG or GIF; name a file that ends in .png or .gif",
                           text);
      },
      "");
}

bool is_animation(const std::string& out) { return is_gif(out) || parse_pattern(out); }

void check_animation(const AnimationArguments& a, const std::string& out, std::int64_t frames,
                     std::int64_t side) {
  if (!is_gif(out) && (a.rate || a.plays))
    throw Error(ExitCode::kUsage,
                "--fps and --plays are for a GIF, but {} is a PNG: leave them out; a video encoder "
                "has options of its own",
                out);
  const std::optional<NumberedNames> names = parse_pattern(out);
  if (!is_animation(out)) {
    if (a.scale)
      throw Error(ExitCode::kUsage, "--scale is for a GIF or numbered PNGs: leave it out");
    return;
  }
  if (is_gif(out)) {
    require_writable(out);
  } else {
    require_no_later_frame(*names, frames);
  }
  if (is_gif(out) && side * a.scale.value_or(1) > kMaxGifSide)
    throw Error(ExitCode::kUsage, "--scale {}: a GIF has at most {} pixels per side", *a.scale,
                kMaxGifSide);
}

void write_animation(const AnimationArguments& a, const std::string& out,
                     const at::Tensor& pixels) {
  const std::int64_t scale = a.scale.value_or(1);
  const std::int64_t n = pixels.size(0);
  if (is_gif(out)) {
    GifWriter gif(out, pixels.size(1) * scale, pixels.size(2) * scale,
                  {a.rate.value_or(GifTiming{}.rate), a.plays.value_or(0)});
    for (std::int64_t i = 0; i < n; ++i) gif.add(frame_view(enlarged(pixels[i], scale)));
    gif.commit();
    return;
  }
  const NumberedNames names = parse_pattern(out).value();
  make_parent(names.name(0));
  for (std::int64_t i = 0; i < n; ++i)
    write_png(names.name(i), frame_view(enlarged(pixels[i], scale)));
}

}  // namespace valley::app
