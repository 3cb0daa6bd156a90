#include "app/restore/inputs.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <span>
#include <variant>

#include "app/number_lists.h"
#include "core/error.h"
#include "core/read_file.h"
#include "data/dataset.h"
#include "image/decode.h"
#include "image/fit.h"

namespace valley::app {
namespace {

constexpr std::uint64_t kMaxPixels = 64'000'000;
constexpr std::uint64_t kMaxImages = 65536;
constexpr int kNearWhite = 128;

// An image of `side` x `side` pixels with the channels of the file.
Image read_square(const std::string& file, std::int64_t side, Alpha alpha) {
  DecodeLimits limits(1, kMaxPixels);
  const std::string bytes = read_file(file, {.max_bytes = limits.max_bytes(), .takes_pipes = true});
  std::variant<Image, Reject> decoded = decode_image(bytes, {.alpha = alpha}, limits);
  if (const auto* reject = std::get_if<Reject>(&decoded))
    throw Error(ExitCode::kData, "{}: it cannot be read as an image: {}{}{}", file, reject->reason,
                reject->detail.empty() ? "" : ": ", reject->detail);
  auto& image = std::get<Image>(decoded);
  if (image.height != side || image.width != side)
    throw Error(
        ExitCode::kUsage,
        "{}: it has {}x{} pixels, but the model's images have {}x{}; resize it first, since "
        "resizing here would spread damage over intact pixels",
        file, image.width, image.height, side, side);
  return std::move(image);
}

Image read_image(const std::string& file, std::int64_t side, std::int64_t channels) {
  return with_channels(read_square(file, side, Alpha::kOnWhite), channels);
}

bool has_transparent_pixel(const Image& image) {
  for (std::int64_t i = 1; i <= image.height * image.width; ++i) {
    if (image.pixels[static_cast<std::size_t>(i * image.channels - 1)] != 255) return true;
  }
  return false;
}

// True if all pixels that are not fully transparent have one color. The last channel is alpha.
bool has_one_visible_color(const Image& image) {
  const std::uint8_t* color = nullptr;
  for (std::int64_t i = 0; i < image.height * image.width; ++i) {
    const std::uint8_t* pixel = image.pixels.data() + i * image.channels;
    if (pixel[image.channels - 1] == 0) continue;
    if (color != nullptr && !std::equal(color, color + image.channels - 1, pixel)) return false;
    color = pixel;
  }
  return true;
}

// Converts an image with alpha to one without. Transparent pixels become black. If all others have
// one color, the image is a drawing on a transparent background: they become white.
Image mask_from_alpha(const Image& image) {
  const bool is_drawing = has_transparent_pixel(image) && has_one_visible_color(image);
  Image mask(image.height, image.width, image.channels - 1);
  for (std::int64_t i = 0; i < image.height * image.width; ++i) {
    const std::uint8_t* pixel = image.pixels.data() + i * image.channels;
    const unsigned alpha = pixel[image.channels - 1];
    for (std::int64_t c = 0; c < mask.channels; ++c)
      mask.pixels[static_cast<std::size_t>(i * mask.channels + c)] =
          static_cast<std::uint8_t>(is_drawing ? alpha : (pixel[c] * alpha + 127) / 255);
  }
  return mask;
}

void copy_pixels(const Image& image, const at::Tensor& to) {
  std::copy(image.pixels.begin(), image.pixels.end(), to.mutable_data_ptr<std::uint8_t>());
}

at::Tensor empty_pixels(std::size_t n, const ModelOptions& o) {
  return at::empty({static_cast<std::int64_t>(n), o.resolution, o.resolution, o.channels},
                   at::kByte);
}

}  // namespace

NamedImages read_image_files(const std::vector<std::string>& files, const ModelOptions& options) {
  NamedImages images{empty_pixels(files.size(), options), files, {}};
  for (std::size_t i = 0; i < files.size(); ++i) {
    copy_pixels(read_image(files[i], options.resolution, options.channels),
                images.pixels[static_cast<std::int64_t>(i)]);
    images.positions.push_back(i);
  }
  return images;
}

NamedImages read_shard_images(const std::string& directory, const std::string& indices,
                              const ModelOptions& options) {
  const auto data = Dataset::open(directory);
  if (data->height() != options.resolution || data->width() != options.resolution ||
      data->channels() != options.channels) {
    throw Error(
        ExitCode::kUsage,
        "{}: its images are {}x{}x{}, the model's are {}x{}x{}; build shards with --resolution "
        "and --channels to match",
        directory, data->width(), data->height(), data->channels(), options.resolution,
        options.resolution, options.channels);
  }
  NamedImages images;
  images.positions = parse_numbers(indices, "--index", "images", kMaxImages);
  images.pixels = empty_pixels(images.positions.size(), options);
  for (std::size_t i = 0; i < images.positions.size(); ++i) {
    const std::uint64_t index = images.positions[i];
    if (index >= data->size())
      throw Error(ExitCode::kUsage, "--index {}: {} has images 0 to {} only", index, directory,
                  data->size() - 1);
    const at::Tensor row = images.pixels[static_cast<std::int64_t>(i)];
    data->read(index, {row.mutable_data_ptr<std::uint8_t>(), data->image_bytes()}, true);
    images.names.push_back(fmt::format("{}[{}]", directory, index));
  }
  return images;
}

at::Tensor read_mask(const std::string& file, std::int64_t side) {
  const at::Tensor pixels = at::empty({side, side}, at::kByte);
  Image mask = read_square(file, side, Alpha::kKeep);
  if (mask.channels % 2 == 0) mask = mask_from_alpha(mask);
  copy_pixels(with_channels(std::move(mask), 1), pixels);
  return pixels >= kNearWhite;
}

}  // namespace valley::app
