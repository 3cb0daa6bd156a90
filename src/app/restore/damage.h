// The damage of the images of `valley restore`: options, checks, and damaged images.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace valley::app {

struct DamageArguments {
  double salt_and_pepper = 0;
  double noise = 0;
  std::string box;
  std::string mask;
  bool damaged = false;  // the images are damaged already
  bool blind = false;
  std::vector<std::string> truth;

  // True if no option describes damage, and the images are not called damaged.
  [[nodiscard]] bool is_intact() const {
    return salt_and_pepper == 0 && noise == 0 && box.empty() && mask.empty() && !damaged &&
           truth.empty();
  }
};

// Tensors on the host, one row per image.
struct DamagedSet {
  at::Tensor truth;    // uint8 [n, H, W, C]; undefined if unknown
  at::Tensor damaged;  // float [n, C, H, W] in [0, 1]
  at::Tensor unknown;  // bool [n, 1, H, W]
  double noise = 0;
  std::string unknown_by;  // criterion for unknown pixels, as text
};

// Rejects contradictory arguments (kUsage). Needs no images, only their number. `method`: the
// requested method; only "latent" takes intact images.
void check_damage(const DamageArguments& arguments, std::size_t images, const std::string& method);

// `images`: uint8 [n, H, W, C]. The damage of image i is drawn for positions[i]. Error kUsage if no
// pixel of damaged images is unknown or noisy.
[[nodiscard]] DamagedSet damage_images(const DamageArguments& arguments, const at::Tensor& images,
                                       const at::Tensor& truth,
                                       const std::vector<std::uint64_t>& positions,
                                       std::uint64_t seed);

}  // namespace valley::app
