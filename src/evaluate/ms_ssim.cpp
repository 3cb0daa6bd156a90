#include "evaluate/ms_ssim.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "core/error.h"

namespace valley {
namespace {

constexpr std::int64_t kWindow = 11;
constexpr double kSigma = 1.5;
constexpr std::array kWeights = {0.0448, 0.2856, 0.3001, 0.2363, 0.1333};
constexpr float kC1 = 0.01F * 0.01F;
constexpr float kC2 = 0.03F * 0.03F;
constexpr double kSsimMax = 255;

std::array<float, kWindow> gaussian() {
  std::array<double, kWindow> weights{};
  double sum = 0;
  for (std::int64_t i = 0; i < kWindow; ++i) {
    const double x = static_cast<double>(i - kWindow / 2) / kSigma;
    sum += weights[static_cast<std::size_t>(i)] = std::exp(-x * x / 2);
  }
  std::array<float, kWindow> taps{};
  for (std::size_t i = 0; i < taps.size(); ++i) taps[i] = static_cast<float>(weights[i] / sum);
  return taps;
}

// Convolves a plane [h, w] with the window, without padding: out [h - 10, w - 10]. `rows`: scratch.
void smooth(const float* in, std::int64_t h, std::int64_t w, float* out, std::vector<float>& rows) {
  static const std::array<float, kWindow> taps = gaussian();
  const std::int64_t height = h - kWindow + 1;
  const std::int64_t width = w - kWindow + 1;
  rows.assign(static_cast<std::size_t>(height * w), 0.0F);
  std::fill_n(out, height * width, 0.0F);
  for (std::int64_t y = 0; y < height; ++y) {
    float* row = rows.data() + y * w;
    for (std::int64_t t = 0; t < kWindow; ++t) {
      const float tap = taps[static_cast<std::size_t>(t)];
      const float* source = in + (y + t) * w;
      for (std::int64_t x = 0; x < w; ++x) row[x] += tap * source[x];
    }
    float* to = out + y * width;
    for (std::int64_t t = 0; t < kWindow; ++t) {
      const float tap = taps[static_cast<std::size_t>(t)];
      for (std::int64_t x = 0; x < width; ++x) to[x] += tap * row[x + t];
    }
  }
}

// Smooths each plane of [n, C, h, w].
at::Tensor smoothed(const at::Tensor& images) {
  const std::int64_t h = images.size(2);
  const std::int64_t w = images.size(3);
  at::Tensor out =
      at::empty({images.size(0), images.size(1), h - kWindow + 1, w - kWindow + 1}, at::kFloat);
  const std::int64_t area = out.size(2) * out.size(3);
  std::vector<float> rows;
  for (std::int64_t plane = 0; plane < images.size(0) * images.size(1); ++plane)
    smooth(images.const_data_ptr<float>() + plane * h * w, h, w,
           out.mutable_data_ptr<float>() + plane * area, rows);
  return out;
}

at::Tensor halve_images(const at::Tensor& images) {
  const at::Tensor even =
      images.narrow(2, 0, images.size(2) / 2 * 2).narrow(3, 0, images.size(3) / 2 * 2);
  const at::Tensor rows = even.slice(2, 0, c10::nullopt, 2) + even.slice(2, 1, c10::nullopt, 2);
  return ((rows.slice(3, 0, c10::nullopt, 2) + rows.slice(3, 1, c10::nullopt, 2)) * 0.25)
      .contiguous();
}

}  // namespace

std::int64_t ms_ssim_scales(std::int64_t side) {
  std::int64_t scales = 0;
  for (; side >= kWindow && scales < static_cast<std::int64_t>(kWeights.size()); side /= 2)
    ++scales;
  return scales;
}

MsSsim::MsSsim(const at::Tensor& pixels) {
  const std::int64_t scales = ms_ssim_scales(std::min(pixels.size(1), pixels.size(2)));
  VALLEY_CHECK(scales > 0);
  at::Tensor images = (pixels.permute({0, 3, 1, 2}).to(at::kFloat) / kSsimMax).contiguous();
  for (std::int64_t i = 0; i < scales; ++i) {
    if (i > 0) images = halve_images(images);
    const at::Tensor mean = smoothed(images);
    scales_.push_back({images, mean, smoothed(images * images) - mean * mean});
  }
}

MsSsim::Terms MsSsim::compare(const Scale& scale, std::int64_t i, std::int64_t j) {
  const at::Tensor& images = scale.images;
  const std::int64_t h = images.size(2);
  const std::int64_t w = images.size(3);
  const std::int64_t pixels = h * w;
  const std::int64_t area = scale.mean.size(2) * scale.mean.size(3);
  std::vector<float> product(static_cast<std::size_t>(pixels));
  std::vector<float> smooth_product(static_cast<std::size_t>(area));
  std::vector<float> rows;
  Terms sums{0, 0};
  for (std::int64_t c = 0; c < images.size(1); ++c) {
    const std::int64_t first = i * images.size(1) + c;
    const std::int64_t second = j * images.size(1) + c;
    const auto* values = images.const_data_ptr<float>();
    const auto* means = scale.mean.const_data_ptr<float>();
    const auto* variances = scale.variance.const_data_ptr<float>();
    for (std::int64_t k = 0; k < pixels; ++k)
      product[static_cast<std::size_t>(k)] =
          values[first * pixels + k] * values[second * pixels + k];
    smooth(product.data(), h, w, smooth_product.data(), rows);
    for (std::int64_t k = 0; k < area; ++k) {
      const float a = means[first * area + k];
      const float b = means[second * area + k];
      const float covariance = smooth_product[static_cast<std::size_t>(k)] - a * b;
      const float contrast = (2 * covariance + kC2) /
                             (variances[first * area + k] + variances[second * area + k] + kC2);
      sums.contrast += static_cast<double>(contrast);
      sums.luminance_contrast +=
          static_cast<double>(contrast * (2 * a * b + kC1) / (a * a + b * b + kC1));
    }
  }
  const auto count = static_cast<double>(area * images.size(1));
  return {sums.luminance_contrast / count, sums.contrast / count};
}

double MsSsim::similarity(std::int64_t i, std::int64_t j) const {
  double weights = 0;
  for (std::size_t s = 0; s < scales_.size(); ++s) weights += kWeights[s];
  double similarity = 1;
  for (std::size_t s = 0; s < scales_.size(); ++s) {
    const Terms terms = compare(scales_[s], i, j);
    const double term = s + 1 < scales_.size() ? terms.contrast : terms.luminance_contrast;
    similarity *= std::pow(std::max(0.0, term), kWeights[s] / weights);
  }
  return similarity;
}

}  // namespace valley
