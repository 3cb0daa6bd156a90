#include "samplers/langevin.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "kernels/kernels.h"

namespace valley {
namespace {

constexpr std::int64_t kPerBlock = 4;  // normal numbers of a Philox block

std::int64_t blocks_a_step(std::int64_t numbers) { return (numbers + kPerBlock - 1) / kPerBlock; }

// A network whose passes compute no gradients of parameters and gather no statistics. One that is
// frozen already is not touched, so that several threads can run chains on it.
class Frozen {
 public:
  explicit Frozen(const EnergyNetwork& network) : network_(network) {
    const auto& all = network.parameters().all();
    trainable_ = !all.empty() && all.front().value.requires_grad();
    if (!trainable_) return;
    network.parameters().require_grad(false);
    context_ = std::exchange(network.context(), PassContext{});
  }
  ~Frozen() {
    if (!trainable_) return;
    network_.context() = context_;
    network_.parameters().require_grad(true);
  }
  Frozen(const Frozen&) = delete;
  Frozen& operator=(const Frozen&) = delete;

 private:
  const EnergyNetwork& network_;
  PassContext context_;
  bool trainable_ = false;
};

// d(sum of energies)/dx: each image's own, since energies do not couple images.
at::Tensor energy_gradient(const EnergyNetwork& network, const at::Tensor& images) {
  const at::AutoGradMode with_gradients(true);
  at::Tensor x = images.detach();
  x.set_requires_grad(true);
  const at::Tensor energy = network.energy(x);
  energy.backward(at::ones_like(energy), false, false, at::TensorList(&x, 1));
  return x.grad();
}

}  // namespace

LangevinSettings coupled(LangevinSettings settings, double temperature) {
  settings.step_size = settings.noise * settings.noise / (2 * temperature);
  settings.noise_last = true;
  return settings;
}

std::int64_t most_langevin_steps(std::int64_t numbers) {
  return (std::int64_t{1} << 32) / blocks_a_step(std::max<std::int64_t>(1, numbers));
}

Chains run_langevin(const EnergyNetwork& network, const at::Tensor& start,
                    const LangevinSettings& settings, const ChainPlace& place) {
  const std::int64_t numbers = start[0].numel();
  VALLEY_CHECK(settings.steps >= 1 && settings.steps <= most_langevin_steps(numbers));
  const Frozen frozen(network);
  const at::NoGradGuard no_grad;
  at::Tensor x = at::empty(start.sizes(), start.options(), at::MemoryFormat::ChannelsLast);
  x.copy_(start);
  at::Tensor noise = at::empty_like(x);
  // The same memory as rows of H, W, C.
  const at::Tensor rows = noise.permute({0, 2, 3, 1}).view({x.size(0), numbers});
  at::Tensor norms = at::zeros({x.size(0)}, x.options());

  const auto shake = [&](std::int64_t step) {
    if (settings.noise == 0) return;
    const auto first = static_cast<std::uint32_t>(step * blocks_a_step(numbers));
    kernels::fill_normal(rows,
                         {place.seed, place.stream, static_cast<float>(settings.noise), first},
                         place.position, place.offset);
    x.add_(noise);
  };
  const auto descend = [&] {
    at::Tensor gradient = energy_gradient(network, x);
    norms.add_(at::linalg_vector_norm(gradient.flatten(1), 2, at::IntArrayRef({1})));
    if (settings.clamp > 0) gradient.clamp_(-settings.clamp, settings.clamp);
    x.sub_(gradient, settings.step_size);
  };
  for (std::int64_t step = 0; step < settings.steps; ++step) {
    if (settings.noise_last) {
      descend();
      shake(step);
    } else {
      shake(step);
      descend();
    }
    x.clamp_(0, 1);
  }
  norms.div_(static_cast<double>(settings.steps));
  return {x, norms};
}

}  // namespace valley
