#include "samplers/langevin.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/philox.h"
#include "kernels/kernels.h"

namespace valley {
namespace {

// A network whose passes compute no gradients of parameters and gather no statistics. One that is
// frozen already is not touched, so that several threads can run chains on it.
class Frozen {
 public:
  explicit Frozen(const EnergyNetwork& network) : network_(network) {
    const auto& all = network.parameters().all();
    trainable_ = !all.empty() && all.front().value.requires_grad();
    if (!trainable_) return;
    network.parameters().require_grad(false);
    network.fix_weights(true);
    context_ = std::exchange(network.context(), PassContext{});
  }
  ~Frozen() {
    if (!trainable_) return;
    network_.context() = context_;
    network_.fix_weights(false);
    network_.parameters().require_grad(true);
  }
  Frozen(const Frozen&) = delete;
  Frozen& operator=(const Frozen&) = delete;

 private:
  const EnergyNetwork& network_;
  PassContext context_;
  bool trainable_ = false;
};

}  // namespace

LangevinSettings coupled(LangevinSettings settings, double temperature) {
  settings.step_size = settings.noise * settings.noise / (2 * temperature);
  settings.noise_last = true;
  return settings;
}

std::int64_t most_langevin_steps(std::int64_t numbers) {
  return (std::int64_t{1} << 32) / philox_blocks(std::max<std::int64_t>(1, numbers));
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
  const std::int64_t numbers = start[0].numel();
  VALLEY_CHECK(settings.steps >= 1 && settings.steps <= most_langevin_steps(numbers));
  const at::NoGradGuard no_grad;
  at::Tensor x = at::empty(start.sizes(), start.options(), at::MemoryFormat::ChannelsLast);
  x.copy_(start);
  at::Tensor noise = at::empty_like(x);
  // The same memory as rows of H, W, C.
  const at::Tensor rows = noise.permute({0, 2, 3, 1}).view({x.size(0), numbers});
  at::Tensor norms = at::zeros({x.size(0)}, x.options());

  const auto hold = [&] {
    if (rules.held.defined()) x.copy_(at::where(rules.held, start, x));
  };
  const auto shake = [&](std::int64_t step) {
    if (settings.noise == 0) return;
    const auto first = static_cast<std::uint32_t>(step * philox_blocks(numbers));
    kernels::fill_normal(rows,
                         {place.seed, place.stream, static_cast<float>(settings.noise), first},
                         place.position, place.offset);
    x.add_(noise);
    hold();  // so that the gradient is taken where they are
  };
  const auto descend = [&] {
    at::Tensor gradient = energy_gradient(energy, x);
    norms.add_(at::linalg_vector_norm(gradient, 2, at::IntArrayRef({1, 2, 3})));
    if (settings.clamp > 0) gradient.clamp_(-settings.clamp, settings.clamp);
    x.sub_(gradient, settings.step_size);
    hold();
  };
  if (rules.watch) rules.watch(0, x);
  for (std::int64_t step = 0; step < settings.steps; ++step) {
    if (settings.noise_last) {
      descend();
      shake(step);
    } else {
      shake(step);
      descend();
    }
    if (rules.amend) {
      rules.amend(x);
      hold();
    }
    x.clamp_(0, 1);
    if (rules.watch) rules.watch(step + 1, x);
  }
  norms.div_(static_cast<double>(settings.steps));
  return {x, norms};
}

Chains run_langevin(const EnergyNetwork& network, const at::Tensor& start,
                    const LangevinSettings& settings, const ChainPlace& place) {
  const Frozen frozen(network);
  return run_langevin([&](const at::Tensor& images) { return network.energy(images); }, start,
                      settings, place);
}

}  // namespace valley
