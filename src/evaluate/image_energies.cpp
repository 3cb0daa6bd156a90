#include "evaluate/image_energies.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>

#include "core/error.h"

namespace valley {

at::Tensor image_energies(const Team& team, const std::string& task, const ImageEnergy& energy,
                          const LabeledImages& images) {
  const SingleThreaded single_threaded;
  const auto n = static_cast<std::int64_t>(images.size());
  const Share share = team.share(count_blocks(n));
  const std::int64_t first = std::min(n, share.first * kBlockImages);
  const std::int64_t last = std::min(n, share.last * kBlockImages);
  const at::Tensor own = at::empty({last - first}, at::kFloat);
  const auto work = [&](std::int64_t block) {
    const at::NoGradGuard no_gradients;
    const std::int64_t from = block * kBlockImages;
    const at::Tensor pixels =
        images.pixels(static_cast<std::uint64_t>(from), images_in_block(n, block));
    const at::Tensor energies = energy.energy(unit_images(pixels, energy.device()));
    own.narrow(0, from - first, energies.size(0)).copy_(energies);
  };
  if (energy.device().is_cuda()) {
    for_each_unit_in_order(team, task, share, work);
  } else {
    for_each_unit(team, task, share, work);
  }
  return gather_rows(team, own, kBlockImages, n);
}

void require_finite_energies(const at::Tensor& energies, const LabeledImages& images,
                             const std::string& model) {
  const auto* values = energies.const_data_ptr<float>();
  std::uint64_t count = 0;
  std::optional<std::uint64_t> first;
  for (std::uint64_t i = 0; i < images.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    if (!first) first = i;
    ++count;
  }
  if (!first) return;
  throw Error(
      ExitCode::kData,
      "{} gives energies that are not finite for {} of {} images, the first is {} (image {}): {}; "
      "use an earlier checkpoint",
      model, count, images.size(), images.name(*first), images.index(*first), values[*first]);
}

}  // namespace valley
