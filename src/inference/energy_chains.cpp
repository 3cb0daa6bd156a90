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
constexpr double kMaxMove = 4;         // times the RMS gradient
constexpr std::int64_t kMeasured = 8;  // initial images for the estimate of the RMS gradient

void require_at_least_zero(const std::optional<double>& value, const std::string& option) {
  if (value && !(*value >= 0 && std::isfinite(*value)))
    throw Error(ExitCode::kUsage, "{} {}: it must be a number >= 0", option, *value);
}

// Root mean square of the elements of the gradient at uniform noise.
double compute_rms_gradient(const SavedModel& saved, const ImageEnergy& energy) {
  const at::Tensor noise = noise_images(0, kMeasured, saved.options, energy.device());
  const at::Tensor gradient =
      energy_gradient([&](const at::Tensor& x) { return energy.energy(x); }, noise);
  return std::sqrt(gradient.square().mean().item<double>());
}

LangevinSettings measured_settings(const SavedModel& saved, const ImageEnergy& energy) {
  const double rms = compute_rms_gradient(saved, energy);
  if (!std::isfinite(rms))
    throw Error(
        ExitCode::kDiverged,
        "{}: the gradient of its energy at uniform noise is not finite; use an earlier checkpoint",
        saved.file.string());
  LangevinSettings settings;
  settings.steps = kChainSteps;
  settings.noise = kNoise;
  settings.step_size = rms > 0 ? kFirstMove / rms : 0;
  settings.clamp = kMaxMove * rms;
  return settings;
}

}  // namespace

LangevinSettings make_chain_settings(const SavedModel& saved, const ImageEnergy& energy,
                                     const ChainRequest& request) {
  require_at_least_zero(request.step_size, "--step-size");
  require_at_least_zero(request.noise, "--chain-noise");
  require_at_least_zero(request.clamp, "--clamp");
  const ModelOptions& o = saved.options;
  const std::int64_t max_steps = max_langevin_steps(o.resolution * o.resolution * o.channels);
  if (request.steps && (*request.steps < 1 || *request.steps > max_steps))
    throw Error(ExitCode::kUsage,
                "--steps {}: chains of images of this size need from 1 to {} steps", *request.steps,
                max_steps);
  const bool is_trained_by_chains = dynamic_cast<const EnergyModel*>(saved.model.get()) != nullptr;
  LangevinSettings settings = is_trained_by_chains ? trained_chain_settings(saved, request.steps)
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
