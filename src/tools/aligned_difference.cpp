#include "tools/aligned_difference.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace valley {
namespace {

// Map from pixels of a to pixels of b, both from the center: x' = (1 + stretch) x + shift.
struct Alignment {
  double stretch_x = 0;
  double shift_x = 0;
  double stretch_y = 0;
  double shift_y = 0;
};
constexpr std::size_t kUnknowns = 4;

// [1 2 1] / 4 in both directions, with repeated borders.
std::vector<float> blurred(const std::vector<float>& plane, std::int64_t side) {
  std::vector<float> rows(plane.size());
  std::vector<float> both(plane.size());
  const auto at = [side](std::int64_t y, std::int64_t x) {
    return static_cast<std::size_t>(y * side + x);
  };
  const auto inside = [side](std::int64_t i) { return std::clamp<std::int64_t>(i, 0, side - 1); };
  for (std::int64_t y = 0; y < side; ++y)
    for (std::int64_t x = 0; x < side; ++x)
      rows[at(y, x)] =
          (plane[at(y, inside(x - 1))] + 2 * plane[at(y, x)] + plane[at(y, inside(x + 1))]) / 4;
  for (std::int64_t y = 0; y < side; ++y)
    for (std::int64_t x = 0; x < side; ++x)
      both[at(y, x)] =
          (rows[at(inside(y - 1), x)] + 2 * rows[at(y, x)] + rows[at(inside(y + 1), x)]) / 4;
  return both;
}

void set_slopes(PreparedImage& image) {
  const auto side = static_cast<std::size_t>(image.side);
  image.slope_x.resize(side * side);
  image.slope_y.resize(side * side);
  const auto value = [&](std::size_t y, std::size_t x) { return image.luma[y * side + x]; };
  const std::size_t last = side - 1;
  for (std::size_t y = 0; y < side; ++y)
    for (std::size_t x = 0; x < side; ++x) {
      image.slope_x[y * side + x] =
          (value(y, std::min(x + 1, last)) - value(y, x == 0 ? 0 : x - 1)) / 2;
      image.slope_y[y * side + x] =
          (value(std::min(y + 1, last), x) - value(y == 0 ? 0 : y - 1, x)) / 2;
    }
}

// Position in b of the pixel (x, y) of a, as the corner and weights of a bilinear interpolation.
struct Sample {
  std::size_t corner = 0;
  float right = 0;
  float down = 0;
  bool is_inside = false;
};

Sample sample_at(const Alignment& map, std::int64_t side, std::int64_t x, std::int64_t y) {
  const double center = static_cast<double>(side - 1) / 2;
  const double bx = center + (1 + map.stretch_x) * (static_cast<double>(x) - center) + map.shift_x;
  const double by = center + (1 + map.stretch_y) * (static_cast<double>(y) - center) + map.shift_y;
  Sample sample;
  // A crop changes how pixels at the border were resampled and blurred.
  constexpr double kMargin = 1.25;
  const auto last = static_cast<double>(side - 1);
  const auto is_inside = [last](double at) { return at >= kMargin && at <= last - kMargin; };
  sample.is_inside = is_inside(bx) && is_inside(by) && is_inside(static_cast<double>(x)) &&
                     is_inside(static_cast<double>(y));
  const double cx = std::clamp(bx, 0.0, last - 1e-6);
  const double cy = std::clamp(by, 0.0, last - 1e-6);
  const auto left = static_cast<std::int64_t>(cx);
  const auto top = static_cast<std::int64_t>(cy);
  sample.corner = static_cast<std::size_t>(top * side + left);
  sample.right = static_cast<float>(cx - static_cast<double>(left));
  sample.down = static_cast<float>(cy - static_cast<double>(top));
  return sample;
}

float interpolate(const float* plane, const Sample& s, std::size_t side) {
  const float* p = plane + s.corner;
  const float upper = p[0] + s.right * (p[1] - p[0]);
  const float lower = p[side] + s.right * (p[side + 1] - p[side]);
  return upper + s.down * (lower - upper);
}

// Gaussian elimination of a symmetric positive system.
std::array<double, kUnknowns> solve(std::array<std::array<double, kUnknowns>, kUnknowns> m,
                                    std::array<double, kUnknowns> v) {
  for (std::size_t i = 0; i < kUnknowns; ++i)
    for (std::size_t row = i + 1; row < kUnknowns; ++row) {
      const double factor = m[row][i] / m[i][i];
      for (std::size_t col = i; col < kUnknowns; ++col) m[row][col] -= factor * m[i][col];
      v[row] -= factor * v[i];
    }
  for (std::size_t i = kUnknowns; i-- > 0;) {
    for (std::size_t col = i + 1; col < kUnknowns; ++col) v[i] -= m[i][col] * v[col];
    v[i] /= m[i][i];
  }
  return v;
}

// One Gauss-Newton step of Lucas and Kanade's registration, on luma.
void improve(const PreparedImage& a, const PreparedImage& b, Alignment& map) {
  const std::int64_t pixels = a.side;
  std::array<std::array<double, kUnknowns>, kUnknowns> matrix{};
  std::array<double, kUnknowns> vector{};
  const double center = static_cast<double>(pixels - 1) / 2;
  const auto side = static_cast<std::size_t>(pixels);
  for (std::int64_t y = 0; y < pixels; ++y)
    for (std::int64_t x = 0; x < pixels; ++x) {
      const Sample s = sample_at(map, pixels, x, y);
      if (!s.is_inside) continue;
      const auto i = static_cast<std::size_t>(y * pixels + x);
      const double difference = a.luma[i] - interpolate(b.luma.data(), s, side);
      const double gx = a.slope_x[i];
      const double gy = a.slope_y[i];
      const std::array<double, kUnknowns> g{gx * (static_cast<double>(x) - center), gx,
                                            gy * (static_cast<double>(y) - center), gy};
      for (std::size_t row = 0; row < kUnknowns; ++row) {
        for (std::size_t col = 0; col < kUnknowns; ++col) matrix[row][col] += g[row] * g[col];
        vector[row] += g[row] * difference;
      }
    }
  // Damping keeps directions without structure where they are.
  constexpr double kDamping = 1.001;
  for (std::size_t i = 0; i < kUnknowns; ++i) matrix[i][i] = kDamping * matrix[i][i] + 1;
  const std::array<double, kUnknowns> step = solve(matrix, vector);
  constexpr double kMaxStretch = 0.06;
  const double max_shift = 0.05 * static_cast<double>(pixels);
  map.stretch_x = std::clamp(map.stretch_x + step[0], -kMaxStretch, kMaxStretch);
  map.shift_x = std::clamp(map.shift_x + step[1], -max_shift, max_shift);
  map.stretch_y = std::clamp(map.stretch_y + step[2], -kMaxStretch, kMaxStretch);
  map.shift_y = std::clamp(map.shift_y + step[3], -max_shift, max_shift);
}

// Largest mean over a window of 2 kRadius + 1 pixels squared.
double max_window_mean(const std::vector<double>& values, std::int64_t side) {
  constexpr std::int64_t kRadius = 2;
  const auto width = static_cast<std::size_t>(side + 1);
  std::vector<double> sums(width * width);
  for (std::size_t y = 1; y < width; ++y)
    for (std::size_t x = 1; x < width; ++x)
      sums[y * width + x] = values[(y - 1) * (width - 1) + x - 1] + sums[(y - 1) * width + x] +
                            sums[y * width + x - 1] - sums[(y - 1) * width + x - 1];
  double largest = 0;
  const std::int64_t last = side - 1;
  for (std::int64_t y = 0; y < side; ++y)
    for (std::int64_t x = 0; x < side; ++x) {
      const auto top = static_cast<std::size_t>(std::max<std::int64_t>(0, y - kRadius));
      const auto left = static_cast<std::size_t>(std::max<std::int64_t>(0, x - kRadius));
      const auto bottom = static_cast<std::size_t>(std::min(last, y + kRadius)) + 1;
      const auto right = static_cast<std::size_t>(std::min(last, x + kRadius)) + 1;
      const double sum = sums[bottom * width + right] - sums[top * width + right] -
                         sums[bottom * width + left] + sums[top * width + left];
      largest = std::max(largest, sum / static_cast<double>((bottom - top) * (right - left)));
    }
  return largest;
}

// Squared difference of the colors over the expected noise, per pixel; 0 outside of b.
std::vector<double> relative_squares(const PreparedImage& a, const PreparedImage& b,
                                     const Alignment& map) {
  constexpr double kNoise = 10.8;      // gray levels, where the image is flat
  constexpr double kEdgeNoise = 0.54;  // of the local slope, gray levels per pixel
  const auto side = static_cast<std::size_t>(a.side);
  std::vector<double> squares(side * side);
  for (std::int64_t y = 0; y < a.side; ++y)
    for (std::int64_t x = 0; x < a.side; ++x) {
      const Sample s = sample_at(map, a.side, x, y);
      if (!s.is_inside) continue;
      const auto i = static_cast<std::size_t>(y * a.side + x);
      double sum = 0;
      for (std::size_t c = 0; c < 3; ++c) {
        const double d =
            a.colors[c * side * side + i] - interpolate(b.colors.data() + c * side * side, s, side);
        sum += d * d / 3;
      }
      const double slope =
          kEdgeNoise * kEdgeNoise * (a.slope_x[i] * a.slope_x[i] + a.slope_y[i] * a.slope_y[i]);
      squares[i] = sum / (kNoise * kNoise + slope);
    }
  return squares;
}

}  // namespace

PreparedImage prepare_image(const Image& image) {
  PreparedImage prepared;
  prepared.side = image.width;
  const auto side = static_cast<std::size_t>(image.width);
  const std::size_t pixels = side * side;
  std::vector<float> plane(pixels);
  prepared.colors.reserve(3 * pixels);
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t i = 0; i < pixels; ++i) plane[i] = image.pixels[3 * i + c];
    const std::vector<float> smooth = blurred(plane, image.width);
    prepared.colors.insert(prepared.colors.end(), smooth.begin(), smooth.end());
  }
  prepared.luma.resize(pixels);
  for (std::size_t i = 0; i < pixels; ++i)
    prepared.luma[i] = 0.299F * prepared.colors[i] + 0.587F * prepared.colors[pixels + i] +
                       0.114F * prepared.colors[2 * pixels + i];
  set_slopes(prepared);
  return prepared;
}

double aligned_difference(const PreparedImage& a, const PreparedImage& b) {
  constexpr int kSteps = 5;
  Alignment map;
  for (int step = 0; step < kSteps; ++step) improve(a, b, map);
  return std::sqrt(max_window_mean(relative_squares(a, b, map), a.side));
}

}  // namespace valley
