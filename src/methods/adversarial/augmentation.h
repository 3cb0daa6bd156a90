// Differentiable augmentation (DiffAugment) of the images that D sees, real and generated, in the
// updates of D and of G: Zhao, Liu, Lin, Zhu, Han 2020, arXiv 2006.10738. G's gradient passes
// through it, so that generated images are not augmented themselves. In this order, each for an
// image with the probability p:
//   color        brightness x + b, b in [-0.5, 0.5); saturation: the factor s in [0, 2) of the
//                distance from the pixel's mean over channels; contrast: the factor c in [0.5, 1.5)
//                of the distance from the image's mean
//   translation  by up to 1/8 of the size in each direction, filled with gray
//   cutout       a square of half the size, partly outside, filled with gray
// The numbers are for images in [-1, 1], as in the authors' code, and are scaled for [0, 1]. If the
// networks' outputs are bounded, color clamps to their range: D could not reconstruct other values.
//
// The strength p is a constant or adaptive. As in StyleGAN2-ADA (Karras et al. 2020, arXiv
// 2006.06676, section 3.1) a measure of D's overfitting decides: r = E[sign(c - D(x))] over the
// real images of a step, with c the middle between the mean energies of real and generated images
// in the step before. r is 0 if energies do not tell one from the other, 1 if all real images are
// below. p rises while r is at least the target, else it falls.
//
// Draws are Philox numbers of the sample's position, separate for real images, D's and G's
// generated ones.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "methods/adversarial/autoencoder_gan.h"
#include "methods/method.h"

namespace valley {

class Augmentation {
 public:
  Augmentation(const AutoencoderGan& model, const ObjectiveSetting& setting);

  // images [B, C, H, W], those of `microbatch` or generated from its latents; without a policy the
  // same tensor. `stream`: kAugmentReal, kAugmentD or kAugmentG.
  [[nodiscard]] at::Tensor operator()(const at::Tensor& images, const Microbatch& microbatch,
                                      RandomStream stream) const;
  [[nodiscard]] bool is_on() const { return has_color_ || has_translation_ || has_cutout_; }
  [[nodiscard]] bool is_adaptive() const { return change_ > 0; }

  // Sum of sign(c - energy) over `real` [B], energies of D's update: [].
  [[nodiscard]] at::Tensor signs(const at::Tensor& real) const;
  // After a step, if adaptive: changes p and c. `overfit`: r, `real` and `fake`: mean energies of
  // D's update, all double [] on the device, over the global batch. Without an effect if one is not
  // finite.
  void adapt(const at::Tensor& overfit, const at::Tensor& real, const at::Tensor& fake) const;

  // "augment/strength" and, if adaptive, "augment/overfit" of the last step; nothing if off.
  void add_report(std::vector<ReportValue>& report) const;
  // State of an adaptive strength; nothing otherwise.
  void save(TensorMap& state) const;
  void load(const TensorMap& state, const std::string& where) const;

  // Columns of the uniform numbers in [0, 1) that an image's transforms are computed from.
  enum Draw : std::int64_t {
    kUsesColor,
    kUsesTranslation,
    kUsesCutout,
    kBrightness,
    kSaturation,
    kContrast,
    kDown,
    kRight,
    kRow,
    kColumn,
    kDraws
  };

 private:
  [[nodiscard]] at::Tensor recolored(const at::Tensor& images, const at::Tensor& draws) const;
  [[nodiscard]] at::Tensor windows(const at::Tensor& draws, std::int64_t size) const;

  bool has_color_;
  bool has_translation_;
  bool has_cutout_;
  bool is_bounded_;
  PixelRange range_;
  double target_;
  double change_;         // of p in a step; 0: p is constant
  at::Tensor strength_;   // double [] on the device: p
  at::Tensor threshold_;  // double []: c
  at::Tensor overfit_;    // double []: r of the last step
};

}  // namespace valley
