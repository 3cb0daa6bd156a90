#include "inference/damage.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <charconv>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "inference/image_energy.h"
#include "inference/neighbor_filters.h"
#include "kernels/kernels.h"

namespace valley {
namespace {

constexpr double kMaxByte = 255;
constexpr double kDamageGray = 0.5;
// First Philox block of normal numbers. Uniform ones start at block 0, and an image of 256x256x3
// takes 49,152 blocks.
constexpr std::uint32_t kNoiseBlock = std::uint32_t{1} << 24;

at::Tensor position_tensor(std::uint64_t position) {
  return at::full({}, static_cast<std::int64_t>(position), at::kLong);
}

// Integers separated by `separator`; empty if `text` is anything else.
std::vector<std::int64_t> split_integers(const std::string& text, char separator) {
  std::vector<std::int64_t> numbers;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    std::int64_t number = 0;
    const auto [next, error] = std::from_chars(at, end, number);
    if (error != std::errc()) return {};
    numbers.push_back(number);
    if (next == end) return numbers;
    if (*next != separator) return {};
    at = next + 1;
  }
}

}  // namespace

DamagedImages make_damage(const at::Tensor& images, const Damage& damage, std::uint64_t seed,
                          std::uint64_t position) {
  const std::int64_t n = images.size(0);
  const std::int64_t channels = images.size(1);
  const std::int64_t height = images.size(2);
  const std::int64_t width = images.size(3);
  at::Tensor x = images.clone();
  at::Tensor unknown = at::zeros({n, 1, height, width}, at::kBool);
  if (damage.noise > 0) {
    const at::Tensor noise = at::empty({n, height * width * channels}, at::kFloat);
    kernels::fill_normal(
        noise, {seed, RandomStream::kDamage, static_cast<float>(damage.noise), kNoiseBlock},
        position_tensor(position), 0);
    x = x + noise.view({n, height, width, channels}).permute({0, 3, 1, 2});
  }
  if (damage.salt_and_pepper > 0) {
    const at::Tensor drawn = at::empty({n, height * width}, at::kFloat);
    kernels::fill_uniform(drawn, {seed, RandomStream::kDamage, 0.0F, 1.0F},
                          position_tensor(position), 0);
    const at::Tensor u = drawn.view({n, 1, height, width});
    unknown = u < damage.salt_and_pepper;
    x = at::where(unknown, (u < damage.salt_and_pepper / 2).to(at::kFloat), x);
  }
  if (damage.erased.defined()) {
    unknown = unknown.logical_or(damage.erased);
    x = at::where(damage.erased, at::full({}, kDamageGray, at::kFloat), x);
  }
  return {unit_images(bytes_from_unit(x), at::kCPU), unknown};
}

at::Tensor salt_and_pepper_suspects(const at::Tensor& images) {
  const at::Tensor extreme = (images == 0).all(1, true).logical_or((images == 1).all(1, true));
  const at::Tensor distance = (images - median_filter(images)).abs().amax({1}, true);
  return extreme.logical_and(distance > kSuspectDistance);
}

at::Tensor parse_box(const std::string& text, std::int64_t side) {
  std::vector<std::int64_t> box = split_integers(text, ',');
  if (box.size() != 4) {
    const std::vector<std::int64_t> size = split_integers(text, 'x');
    if (size.size() != 2)
      throw Error(
          ExitCode::kUsage,
          "--box {}: write X,Y,W,H in pixels from the left and the top, or WxH for a box in the "
          "center",
          text);
    box = {(side - size[0]) / 2, (side - size[1]) / 2, size[0], size[1]};
  }
  for (const int axis : {0, 1}) {
    const std::int64_t first = box[static_cast<std::size_t>(axis)];
    const std::int64_t length = box[static_cast<std::size_t>(axis) + 2];
    if (first < 0 || length < 1 || length > side || first > side - length)
      throw Error(ExitCode::kUsage, "--box {}: it is not within the {}x{} pixels of the images",
                  text, side, side);
  }
  at::Tensor inside = at::zeros({side, side}, at::kBool);
  inside.narrow(0, box[1], box[3]).narrow(1, box[0], box[2]).fill_(true);
  return inside;
}

at::Tensor bytes_from_unit(const at::Tensor& images) {
  return (images * kMaxByte)
      .round()
      .clamp(0, kMaxByte)
      .to(at::kByte)
      .permute({0, 2, 3, 1})
      .contiguous();
}

}  // namespace valley
