#include "samplers/langevin.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/ones_like.h>

#include <algorithm>

#include "core/error.h"
#include "core/philox.h"
#include "core/progress_count.h"
#include "kernels/kernels.h"
#include "samplers/langevin_step.h"

namespace valley {

LangevinSettings coupled(LangevinSettings settings, double temperature) {
  settings.step_size = settings.noise * settings.noise / (2 * temperature);
  settings.noise_last = true;
  return settings;
}

std::int64_t max_langevin_steps(std::int64_t elements) {
  return (std::int64_t{1} << 32) / philox_blocks(std::max<std::int64_t>(1, elements));
}

at::Tensor energy_gradient(const EnergyFunction& energy, const at::Tensor& images) {
  const at::AutoGradMode with_gradients(true);
  at::Tensor x = images.detach();
  x.set_requires_grad(true);
  const at::Tensor energies = energy(x);
  energies.backward(at::ones_like(energies), false, false, at::TensorList(&x, 1));
  return x.grad();
}

Chains run_langevin(const EnergyFunction& energy, const at::Tensor& start,
                    const LangevinSettings& settings, const ChainPlace& place,
                    const ChainRules& rules) {
  const std::int64_t elements = start[0].numel();
  VALLEY_CHECK(settings.steps >= 1 && settings.steps <= max_langevin_steps(elements));
  const at::NoGradGuard no_grad;
  LangevinStep chains(energy, settings, rules, start);
  chains.begin(start);
  if (rules.watch) rules.watch(0, chains.images());
  for (std::int64_t step = 0; step < settings.steps; ++step) {
    count_progress();
    const auto first = static_cast<std::uint32_t>(step * philox_blocks(elements));
    chains.take([&](const at::Tensor& rows) {
      kernels::fill_normal(rows,
                           {place.seed, place.stream, static_cast<float>(settings.noise), first},
                           place.position, place.offset);
    });
    if (rules.watch) rules.watch(step + 1, chains.images());
  }
  return {chains.images(), chains.norms() / static_cast<double>(settings.steps)};
}

Chains run_langevin(const EnergyNetwork& network, const at::Tensor& start,
                    const LangevinSettings& settings, const ChainPlace& place) {
  const FrozenNetwork frozen(network);
  return run_langevin([&](const at::Tensor& images) { return network.energy(images); }, start,
                      settings, place);
}

}  // namespace valley
