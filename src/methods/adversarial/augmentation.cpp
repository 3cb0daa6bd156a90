#include "methods/adversarial/augmentation.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/floor.h>
#include <ATen/ops/full.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/sign.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "kernels/kernels.h"

namespace valley {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Shares of the size of an image, from the paper.
constexpr double kShift = 0.125;
constexpr double kCutout = 0.5;

constexpr const char* kStrength = "objective.augment_strength";
constexpr const char* kThreshold = "objective.augment_threshold";

class ShiftedAndCut : public torch::autograd::Function<ShiftedAndCut> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& images,
                            const at::Tensor& windows, double fill) {
    context->save_for_backward({windows});
    return kernels::shift_and_cut(images, windows, static_cast<float>(fill));
  }

  static variable_list backward(AutogradContext* context, const variable_list& upstream) {
    const at::Tensor windows = context->get_saved_variables()[0];
    return {kernels::shift_and_cut_backward(upstream[0], windows), at::Tensor(), at::Tensor()};
  }
};

bool contains(const std::vector<std::string>& names, const char* name) {
  return std::ranges::find(names, name) != names.end();
}

// Whole number of pixels, at least 1, of a share of the size.
std::int64_t pixels_of(double share, std::int64_t size) {
  return static_cast<std::int64_t>(share * static_cast<double>(size) + 0.5);
}

// Uniform whole numbers from 0 to `count` - 1 as floats, from uniform numbers in [0, 1).
at::Tensor whole(const at::Tensor& uniform, std::int64_t count) {
  // The product can round up to `count`.
  return at::clamp(at::floor(uniform * static_cast<double>(count)), 0, count - 1);
}

double change_per_step(const ObjectiveSetting& setting) {
  if (!setting.augment.is_adaptive()) return 0;
  const auto batch = static_cast<double>(setting.microbatches * setting.microbatch_size);
  return batch / (1000 * static_cast<double>(setting.augment.adapt_kimg));
}

}  // namespace

Augmentation::Augmentation(const AutoencoderGan& model, const ObjectiveSetting& setting)
    : has_color_(contains(setting.augment.policy, "color")),
      has_translation_(contains(setting.augment.policy, "translation")),
      has_cutout_(contains(setting.augment.policy, "cutout")),
      is_bounded_(model.is_bounded()),
      range_(model.pixel_range()),
      target_(setting.augment.target),
      change_(change_per_step(setting)) {
  const auto scalar = at::device(setting.device).dtype(at::kDouble);
  strength_ = at::full({}, setting.augment.strength.value_or(0), scalar);
  threshold_ = at::zeros({}, scalar);
  overfit_ = at::zeros({}, scalar);
}

at::Tensor Augmentation::operator()(const at::Tensor& images, const Microbatch& microbatch,
                                    RandomStream stream) const {
  if (!is_on()) return images;
  const Microbatch::Place& place = microbatch.place();
  const at::Tensor draws =
      at::empty({images.size(0), kDraws}, strength_.options().dtype(at::kFloat));
  kernels::fill_uniform(draws, {place.seed, stream, 0.0F, 1.0F}, place.position, place.offset);
  at::Tensor out = has_color_ ? recolored(images, draws) : images;
  if (has_translation_ || has_cutout_) {
    const double gray = range_ == PixelRange::kUnit ? 0.5 : 0;
    out = ShiftedAndCut::apply(out, windows(draws, images.size(2)), gray);
  }
  return out;
}

// Brightness, saturation and contrast in turn, as one sum: with the pixel's mean m over channels
// and the image's mean u, c s (x - m) + c (m - u) + u + b.
at::Tensor Augmentation::recolored(const at::Tensor& images, const at::Tensor& draws) const {
  const at::Tensor used = (draws.select(1, kUsesColor) < strength_).view({-1, 1, 1, 1});
  const auto drawn = [&](Draw column, double identity, double low, double width) {
    const at::Tensor value = draws.select(1, column).view({-1, 1, 1, 1}) * width + low;
    return at::where(used, value, at::full({}, identity, value.options()));
  };
  const double unit = range_ == PixelRange::kUnit ? 0.5 : 1;
  const at::Tensor brightness = drawn(kBrightness, 0, -0.5 * unit, unit);
  const at::Tensor saturation = drawn(kSaturation, 1, 0, 2);
  const at::Tensor contrast = drawn(kContrast, 1, 0.5, 1);
  const at::Tensor pixel_mean = images.mean(at::IntArrayRef({1}), true);
  const at::Tensor image_mean = pixel_mean.mean(at::IntArrayRef({2, 3}), true);
  const at::Tensor scale = contrast * saturation;
  const at::Tensor rest =
      (contrast - scale) * pixel_mean + ((1 - contrast) * image_mean + brightness);
  const at::Tensor out = images * scale + rest;
  return is_bounded_ ? at::clamp(out, range_ == PixelRange::kUnit ? 0 : -1, 1) : out;
}

// See kernels::shift_and_cut. A transform that an image does not use moves by 0 pixels or cuts
// none.
at::Tensor Augmentation::windows(const at::Tensor& draws, std::int64_t size) const {
  const at::Tensor none = at::zeros_like(draws.select(1, 0));
  const auto shift = [&](Draw column) {
    if (!has_translation_) return none;
    const std::int64_t most = pixels_of(kShift, size);
    const at::Tensor used = draws.select(1, kUsesTranslation) < strength_;
    return at::where(used, whole(draws.select(1, column), 2 * most + 1) - most, none);
  };
  const std::int64_t side = has_cutout_ ? pixels_of(kCutout, size) : 0;
  const auto edge = [&](Draw column) {
    return whole(draws.select(1, column), size + 1 - side % 2) - side / 2;
  };
  const at::Tensor top = edge(kRow);
  const at::Tensor left = edge(kColumn);
  const at::Tensor extent = at::where(draws.select(1, kUsesCutout) < strength_, none + side, none);
  return at::stack({shift(kDown), shift(kRight), top, top + extent, left, left + extent}, 1)
      .to(at::kInt);
}

at::Tensor Augmentation::signs(const at::Tensor& real) const {
  return at::sign(threshold_ - real).sum();
}

void Augmentation::adapt(const at::Tensor& overfit, const at::Tensor& real,
                         const at::Tensor& fake) const {
  const at::Tensor middle = (real + fake) / 2;
  const at::Tensor is_finite = at::isfinite(overfit + middle);
  const at::Tensor rises = (overfit >= target_).to(at::kDouble);
  const at::Tensor next = at::clamp(strength_ + change_ * (2 * rises - 1), 0, 1);
  strength_.copy_(at::where(is_finite, next, strength_));
  threshold_.copy_(at::where(is_finite, middle, threshold_));
  overfit_.copy_(overfit);
}

void Augmentation::add_report(std::vector<ReportValue>& report) const {
  if (!is_on()) return;
  report.push_back({"augment/strength", is_adaptive() ? "p" : "", strength_});
  if (is_adaptive()) report.push_back({"augment/overfit", "", overfit_});
}

void Augmentation::save(TensorMap& state) const {
  if (!is_adaptive()) return;
  state[kStrength] = strength_;
  state[kThreshold] = threshold_;
}

void Augmentation::load(const TensorMap& state, const std::string& where) const {
  if (!is_adaptive()) return;
  strength_.copy_(require_tensor(state, kStrength, {}, where));
  threshold_.copy_(require_tensor(state, kThreshold, {}, where));
}

}  // namespace valley
