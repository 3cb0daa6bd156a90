#include "methods/augment_options.h"

namespace valley {

void AugmentOptions::add_keys(Schema& s) {
  constexpr const char* kPaper = "DiffAugment, arXiv 2006.10738";
  constexpr std::int64_t kMaxKimg = 1'000'000'000;
  s.key("augment.policy", &policy)
      .help(
          "Differentiable augmentation of the real and generated images that D sees, for small "
          "data: a list of \"color\", \"translation\" and \"cutout\"; empty: none.")
      .source(kPaper);
  s.key("augment.strength", &strength)
      .min(0)
      .max(1)
      .help("Probability of each transform for an image; auto: adaptive, raised while D overfits.")
      .source(kPaper);
  s.key("augment.target", &target)
      .min(-1)
      .max(1)
      .help("Adaptive strength: measure of overfitting that it keeps, see docs/small-data.md.")
      .source("StyleGAN2-ADA, arXiv 2006.06676");
  s.key("augment.adapt_kimg", &adapt_kimg)
      .min(1)
      .max(kMaxKimg)
      .help("Adaptive strength: thousands of images in which it can rise from 0 to 1.")
      .source("ours; StyleGAN2-ADA has 500");
}

void AugmentOptions::check() const {
  for (const std::string& transform : policy)
    static_cast<void>(choice_of(transform, {"color", "translation", "cutout"}, "augment.policy"));
}

}  // namespace valley
