#include "app/restore/damage.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "app/restore/inputs.h"
#include "core/error.h"
#include "core/log.h"
#include "inference/damage.h"
#include "inference/image_energy.h"

namespace valley::app {
namespace {

constexpr double kAssumedNoise = 0.1;

at::Tensor erased_pixels(const DamageArguments& a, std::int64_t side) {
  at::Tensor erased;
  if (!a.box.empty()) erased = parse_box(a.box, side);
  if (!a.mask.empty()) {
    const at::Tensor mask = read_mask(a.mask, side);
    erased = erased.defined() ? erased.logical_or(mask) : mask;
  }
  return erased;
}

// Unchanged images whose erased pixels are unknown.
DamagedImages as_given(const at::Tensor& images, const at::Tensor& erased) {
  at::Tensor unknown = at::zeros({images.size(0), 1, images.size(2), images.size(3)}, at::kBool);
  if (erased.defined()) unknown = unknown.logical_or(erased);
  return {images, unknown};
}

DamagedImages damage_each(const at::Tensor& images, const Damage& damage,
                          const std::vector<std::uint64_t>& positions, std::uint64_t seed) {
  std::vector<at::Tensor> damaged;
  std::vector<at::Tensor> unknown;
  for (std::int64_t i = 0; i < images.size(0); ++i) {
    const DamagedImages one =
        make_damage(images.narrow(0, i, 1), damage, seed, positions[static_cast<std::size_t>(i)]);
    damaged.push_back(one.images);
    unknown.push_back(one.unknown);
  }
  return {at::cat(damaged), at::cat(unknown)};
}

std::string describe_criterion(const DamageArguments& a, bool suspects) {
  std::string text;
  const auto also = [&](const std::string& part) {
    text += fmt::format("{}{}", text.empty() ? "" : ", ", part);
  };
  if (!a.mask.empty()) also("white in " + a.mask);
  if (!a.box.empty()) also("in the box " + a.box);
  if (suspects) also("black or white unlike their neighbors (suspected salt and pepper)");
  if (a.salt_and_pepper > 0 && !suspects) also("salt and pepper that was added");
  return text.empty() ? "none" : text;
}

}  // namespace

void check_damage(const DamageArguments& a, std::size_t images, const std::string& method) {
  if (!(a.salt_and_pepper >= 0 && a.salt_and_pepper <= 1))
    throw Error(ExitCode::kUsage,
                "--salt-and-pepper {}: it must be a share of the pixels, from 0 to 1",
                a.salt_and_pepper);
  if (!(a.noise >= 0 && std::isfinite(a.noise)))
    throw Error(ExitCode::kUsage,
                "--noise {}: it must be a standard deviation >= 0, for pixels in [0, 1]", a.noise);
  if (a.blind && a.salt_and_pepper == 0)
    throw Error(ExitCode::kUsage, "--blind needs --salt-and-pepper P");
  if (!a.truth.empty() && a.truth.size() != images)
    throw Error(ExitCode::kUsage, "--truth names {} files for {} images", a.truth.size(), images);
  if (a.is_intact() && method != "latent")
    throw Error(
        ExitCode::kUsage,
        "nothing is damaged: add --salt-and-pepper, --noise, --box or --mask, --damaged if "
        "the images are damaged already, or --method latent to find latent vectors of intact "
        "images");
}

DamagedSet damage_images(const DamageArguments& a, const at::Tensor& images,
                         const at::Tensor& truth, const std::vector<std::uint64_t>& positions,
                         std::uint64_t seed) {
  const at::Tensor x = unit_images(images, at::kCPU);
  const at::Tensor erased = erased_pixels(a, images.size(1));
  const bool is_damaged = a.damaged || truth.defined();
  const bool suspects = a.salt_and_pepper > 0 && (a.blind || is_damaged);
  DamagedImages damaged =
      is_damaged ? as_given(x, erased)
                 : damage_each(x, {a.noise, a.salt_and_pepper, erased}, positions, seed);
  if (suspects)
    damaged.unknown =
        as_given(x, erased).unknown.logical_or(salt_and_pepper_suspects(damaged.images));
  DamagedSet set{is_damaged ? truth : images, damaged.images, damaged.unknown, a.noise,
                 describe_criterion(a, suspects)};
  const bool is_unspecified = !erased.defined() && a.salt_and_pepper == 0;
  if (is_damaged && is_unspecified && a.noise == 0) {
    set.noise = kAssumedNoise;
    log::info(
        "no damage is named: assuming noise of {} in every pixel; set --noise for another level",
        kAssumedNoise);
  }
  if (!a.is_intact() && set.noise == 0 && !set.unknown.any().item<bool>())
    throw Error(
        ExitCode::kUsage,
        "no pixel is unknown (unknown pixels: {}), so there is nothing to restore; name another "
        "damage",
        set.unknown_by);
  return set;
}

}  // namespace valley::app
