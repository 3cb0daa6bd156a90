#include "evaluate/pyramid.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <array>

namespace valley {
namespace {

constexpr std::int64_t kMaxLastSide = 16;
constexpr std::int64_t kReach = 2;
constexpr std::array<float, 2 * kReach + 1> kTaps = {1.0F / 16, 4.0F / 16, 6.0F / 16, 4.0F / 16,
                                                     1.0F / 16};

// Reflection without repeating the edge: -1 becomes 1, n becomes n - 2.
std::int64_t mirrored(std::int64_t i, std::int64_t n) {
  return i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i;
}

// Filters each plane of [m, h, w] along its columns, by adding whole rows.
at::Tensor filtered_rows(const at::Tensor& planes) {
  const std::int64_t h = planes.size(1);
  const std::int64_t w = planes.size(2);
  at::Tensor out = at::zeros_like(planes);
  for (std::int64_t plane = 0; plane < planes.size(0); ++plane) {
    const float* from = planes.const_data_ptr<float>() + plane * h * w;
    float* to = out.mutable_data_ptr<float>() + plane * h * w;
    for (std::int64_t y = 0; y < h; ++y) {
      for (std::int64_t t = -kReach; t <= kReach; ++t) {
        const float* source = from + mirrored(y + t, h) * w;
        const float tap = kTaps[static_cast<std::size_t>(t + kReach)];
        for (std::int64_t x = 0; x < w; ++x) to[y * w + x] += tap * source[x];
      }
    }
  }
  return out;
}

// Filters [m, h, w], contiguous, in both directions.
at::Tensor filtered(const at::Tensor& planes) {
  const at::Tensor columns = filtered_rows(planes).transpose(1, 2).contiguous();
  return filtered_rows(columns).transpose(1, 2).contiguous();
}

at::Tensor halve_planes(const at::Tensor& planes) {
  return filtered(planes).slice(1, 0, c10::nullopt, 2).slice(2, 0, c10::nullopt, 2).contiguous();
}

at::Tensor doubled(const at::Tensor& planes, std::int64_t h, std::int64_t w) {
  const at::Tensor spread =
      at::zeros({planes.size(0), 2 * planes.size(1), 2 * planes.size(2)}, planes.options());
  spread.slice(1, 0, c10::nullopt, 2).slice(2, 0, c10::nullopt, 2).copy_(planes);
  return filtered(spread).narrow(1, 0, h).narrow(2, 0, w) * 4;
}

}  // namespace

std::vector<std::int64_t> pyramid_sides(std::int64_t side) {
  std::vector<std::int64_t> sides = {side};
  while (sides.back() > kMaxLastSide) sides.push_back((sides.back() + 1) / 2);
  return sides;
}

at::Tensor laplacian_level(const at::Tensor& pixels, std::int64_t level, std::int64_t levels) {
  const std::int64_t n = pixels.size(0);
  const std::int64_t channels = pixels.size(3);
  at::Tensor planes = pixels.permute({0, 3, 1, 2}).to(at::kFloat).contiguous().flatten(0, 1);
  for (std::int64_t i = 0; i < level; ++i) planes = halve_planes(planes);
  if (level + 1 < levels)
    planes = planes - doubled(halve_planes(planes), planes.size(1), planes.size(2));
  return planes.contiguous().view({n, channels, planes.size(1), planes.size(2)});
}

}  // namespace valley
