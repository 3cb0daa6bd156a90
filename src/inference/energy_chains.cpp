#include "inference/energy_chains.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <cmath>
#include <string>

#include "core/error.h"
#include "inference/chain_source.h"
#include "kernels/kernels.h"
#include "methods/ebm/energy_model.h"

namespace valley {
namespace {

constexpr std::int64_t kChainSteps = 200;
constexpr double kNoise = 0.005;
constexpr double kMostMove = 4;        // in typical ones
constexpr std::int64_t kMeasured = 8;  // chains that the size of a step is measured on

void require_at_least_zero(const std::optional<double>& value, const std::string& option) {
  if (value && !(*value >= 0 && std::isfinite(*value)))
    throw Error(ExitCode::kUsage, "{} {}: it takes a number of at least 0", option, *value);
}

// The root mean square of the gradient's elements in uniform noise.
double typical_gradient(const SavedModel& saved, const ImageEnergy& energy) {
  const at::Tensor noise = noise_images(0, kMeasured, saved.options, energy.device());
  const at::Tensor gradient =
      energy_gradient([&](const at::Tensor& x) { return energy.energy(x); }, noise);
  return std::sqrt(gradient.square().mean().item<double>());
}

LangevinSettings measured_settings(const SavedModel& saved, const ImageEnergy& energy) {
  const double typical = typical_gradient(saved, energy);
  if (!std::isfinite(typical))
    throw Error(ExitCode::kDiverged,
                "{}: the gradient of its energy is not finite in noise: no step size fits it",
                saved.file.string());
  LangevinSettings settings;
  settings.steps = kChainSteps;
  settings.noise = kNoise;
  settings.step_size = typical > 0 ? kFirstMove / typical : 0;
  settings.clamp = kMostMove * typical;
  return settings;
}

}  // namespace

LangevinSettings chain_settings_of(const SavedModel& saved, const ImageEnergy& energy,
                                   const ChainRequest& request) {
  require_at_least_zero(request.step_size, "--step-size");
  require_at_least_zero(request.noise, "--chain-noise");
  require_at_least_zero(request.clamp, "--clamp");
  const ModelOptions& o = saved.options;
  const std::int64_t most = most_langevin_steps(o.resolution * o.resolution * o.channels);
  if (request.steps && (*request.steps < 1 || *request.steps > most))
    throw Error(ExitCode::kUsage, "--steps {}: chains of these images can take from 1 to {}",
                *request.steps, most);
  const bool is_trained_by_chains = dynamic_cast<const EnergyModel*>(saved.model.get()) != nullptr;
  LangevinSettings settings = is_trained_by_chains ? chain_settings(saved, request.steps)
                                                   : measured_settings(saved, energy);
  if (request.steps) settings.steps = *request.steps;
  if (request.step_size) {
    settings.step_size = *request.step_size;
    if (!is_trained_by_chains) settings.clamp = 0;
  }
  settings.noise = request.noise.value_or(settings.noise);
  settings.clamp = request.clamp.value_or(settings.clamp);
  return settings;
}

at::Tensor noise_images(std::uint64_t first, std::int64_t n, const ModelOptions& options,
                        at::Device device) {
  const std::int64_t side = options.resolution;
  const at::Tensor noise =
      at::empty({n, side * side * options.channels}, at::TensorOptions(device).dtype(at::kFloat));
  const at::Tensor position = at::full({}, static_cast<std::int64_t>(first), at::kLong).to(device);
  kernels::fill_uniform(noise, {0, RandomStream::kSampleLatent, 0.0F, 1.0F}, position, 0);
  return noise.view({n, side, side, options.channels}).permute({0, 3, 1, 2});
}

}  // namespace valley
