// What `valley restore` is told of the damage, and what that makes of its images.
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
  bool damaged = false;  // images are damaged already
  bool blind = false;
  std::vector<std::string> truth;
};

// What is restored: all of it on the host, in images' order.
struct DamagedSet {
  at::Tensor truth;    // uint8 [n, H, W, C]; undefined where it is not known
  at::Tensor damaged;  // float [n, C, H, W] in [0, 1]
  at::Tensor unknown;  // bool [n, 1, H, W]
  double noise = 0;
  std::string unknown_by;  // how unknown pixels were told, for people
};

// Refuses what contradicts itself (kUsage), before anything is loaded. `images`: how many.
void check_damage(const DamageArguments& arguments, std::size_t images);

// Of images uint8 [n, H, W, C]; damage of image i is drawn for positions[i]. Error kUsage where no
// pixel is unknown or noisy.
[[nodiscard]] DamagedSet damage_images(const DamageArguments& arguments, const at::Tensor& images,
                                       const at::Tensor& truth,
                                       const std::vector<std::uint64_t>& positions,
                                       std::uint64_t seed);

}  // namespace valley::app
