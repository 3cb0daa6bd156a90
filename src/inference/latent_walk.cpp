#include "inference/latent_walk.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"

namespace valley {
namespace {

// Below this sine the quotients of Shoemake's formula lose their precision.
constexpr double kMinSine = 1e-4;

double angle_between(const at::Tensor& a, const at::Tensor& b) {
  const double norms = a.norm().item<double>() * b.norm().item<double>();
  if (!(norms > 0)) return 0;
  return std::acos(std::clamp(a.dot(b).item<double>() / norms, -1.0, 1.0));
}

}  // namespace

LatentPath default_path(const LatentDraw& draw) {
  return draw.normal ? LatentPath::kSpherical : LatentPath::kLinear;
}

at::Tensor interpolate_latents(const at::Tensor& pair, std::int64_t steps, LatentPath path) {
  VALLEY_CHECK(pair.size(0) == 2 && steps >= 2);
  if (path == LatentPath::kLinear) return interpolate(pair, steps);
  const at::Tensor a = pair[0].to(at::kCPU, at::kDouble);
  const at::Tensor b = pair[1].to(at::kCPU, at::kDouble);
  const double angle = angle_between(a, b);
  if (std::sin(angle) < kMinSine) return interpolate(pair, steps);
  std::vector<at::Tensor> points;
  for (std::int64_t i = 0; i < steps; ++i) {
    const double t = static_cast<double>(i) / static_cast<double>(steps - 1);
    points.push_back(a * (std::sin((1 - t) * angle) / std::sin(angle)) +
                     b * (std::sin(t * angle) / std::sin(angle)));
  }
  return at::stack(points).to(pair.device(), pair.scalar_type());
}

at::Tensor walk_rows(const at::Tensor& ends, std::int64_t steps, LatentPath path) {
  std::vector<at::Tensor> rows;
  for (std::int64_t i = 0; i + 1 < ends.size(0); ++i)
    rows.push_back(interpolate_latents(ends.narrow(0, i, 2), steps, path));
  return at::cat(rows);
}

at::Tensor walk_frames(const at::Tensor& ends, std::int64_t steps, LatentPath path, bool closed) {
  const std::int64_t n = ends.size(0);
  std::vector<at::Tensor> parts;
  for (std::int64_t i = 0; i + 1 < n + (closed ? 1 : 0); ++i) {
    const at::Tensor pair = at::stack({ends[i], ends[(i + 1) % n]});
    parts.push_back(interpolate_latents(pair, steps + 1, path).narrow(0, 0, steps));
  }
  if (!closed) parts.push_back(ends.narrow(0, n - 1, 1));
  return at::cat(parts);
}

std::int64_t count_walk_frames(std::int64_t ends, std::int64_t steps, bool closed) {
  return closed ? ends * steps : (ends - 1) * steps + 1;
}

}  // namespace valley
