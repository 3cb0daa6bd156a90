// The augment.* keys: augmentation of the images that a discriminator sees.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/config.h"

namespace valley {

struct AugmentOptions {
  std::vector<std::string> policy;  // "color", "translation", "cutout"; empty: none
  AutoDouble strength = 1.0;        // probability of each transform for an image; empty: adaptive
  double target = 0.6;              // adaptive: of the measure of overfitting
  std::int64_t adapt_kimg = 100;    // adaptive: thousands of images in which it can go from 0 to 1

  [[nodiscard]] bool is_on() const { return !policy.empty(); }
  [[nodiscard]] bool is_adaptive() const { return is_on() && !strength; }
  void add_keys(Schema& schema);
  // Error kConfig for an unknown transform.
  void check() const;
};

}  // namespace valley
