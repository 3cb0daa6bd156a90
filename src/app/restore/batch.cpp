#include "app/restore/batch.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>

#include <cmath>

#include "core/error.h"
#include "inference/damage.h"
#include "inference/neighbor_filters.h"
#include "samplers/trajectory.h"

namespace valley::app {
namespace {

constexpr std::int64_t kStripColumns = 10;

void append(at::Tensor& all, const at::Tensor& unit_pixels) {
  const at::Tensor bytes = bytes_from_unit(unit_pixels);
  all = all.defined() ? at::cat({all, bytes}) : bytes;
}

}  // namespace

void BatchRestorer::restore(std::int64_t first, std::int64_t n, Restoration& result) const {
  RestoreTask task;
  task.damaged = set_.damaged.narrow(0, first, n);
  task.unknown = set_.unknown.narrow(0, first, n);
  task.start = fill_unknown(task.damaged, task.unknown);
  task.noise = set_.noise;
  task.guess = task.noise > 0 ? median_filter(task.start) : task.start;
  task.seed = seed_;
  task.position = inputs_.positions[static_cast<std::size_t>(first)];
  std::vector<std::int64_t> columns;
  if (strip_) columns = spread_steps(restorer_.steps(), kStripColumns);
  TrajectoryRecorder recorder([&](const at::Tensor& x) { return energy_.energy(x); }, columns,
                              [&](std::int64_t row) { return name(first + row); });
  task.watch = [&](std::int64_t steps, const at::Tensor& x) { recorder.see(steps, x); };
  LatentFit fit;
  task.found = [&](const LatentFit& found) { fit = found; };
  const at::Tensor restored = restorer_.restore(task);
  if (strip_) result.trajectories.push_back(recorder.take());
  measure(task, restored, first, result);
  if (fit.latents.defined()) keep_fit(task, fit, result);
}

void BatchRestorer::keep_fit(const RestoreTask& task, const LatentFit& fit,
                             Restoration& result) const {
  append(result.generated, fit.images);
  result.latents = result.latents.defined() ? at::cat({result.latents, fit.latents}) : fit.latents;
  const std::int64_t n = fit.latents.size(0);
  const at::Tensor generated = bytes_from_unit(fit.images);
  const at::Tensor damaged = bytes_from_unit(task.damaged);
  for (std::int64_t i = 0; i < n; ++i) {
    RestoredImage& image = result.images[result.images.size() - static_cast<std::size_t>(n - i)];
    image.fit = squared_error(generated[i], damaged[i], task.unknown[i][0].logical_not());
    image.latent_steps = fit.steps[static_cast<std::size_t>(i)];
    image.latent_starts = fit.starts[static_cast<std::size_t>(i)];
  }
}

std::vector<double> BatchRestorer::finite_energies(const at::Tensor& images,
                                                   const std::string& what,
                                                   std::int64_t first) const {
  const at::NoGradGuard no_grad;
  const at::Tensor energies =
      energy_.energy(images.to(energy_.device())).to(at::kCPU, at::kDouble).contiguous();
  std::vector<double> values(energies.const_data_ptr<double>(),
                             energies.const_data_ptr<double>() + energies.numel());
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i]))
      throw Error(ExitCode::kData, "{}: the model's energy of the {} image is not finite ({})",
                  name(first + static_cast<std::int64_t>(i)), what, values[i]);
  }
  return values;
}

void BatchRestorer::measure(const RestoreTask& task, const at::Tensor& restored, std::int64_t first,
                            Restoration& result) const {
  const at::Tensor& filled = task.guess;
  const std::vector<double> damaged_energy = finite_energies(task.damaged, "damaged", first);
  const std::vector<double> filled_energy = finite_energies(filled, "filled", first);
  const std::vector<double> restored_energy = finite_energies(restored, "restored", first);
  std::vector<double> truth_energy(restored_energy.size());
  if (set_.truth.defined()) {
    const at::Tensor truth = set_.truth.narrow(0, first, restored.size(0));
    truth_energy = finite_energies(unit_images(truth, at::kCPU), "true", first);
  }
  append(result.damaged, task.damaged);
  append(result.filled, filled);
  append(result.restored, restored);
  for (std::size_t i = 0; i < restored_energy.size(); ++i) {
    const std::int64_t row = first + static_cast<std::int64_t>(i);
    result.images.push_back({name(row), set_.unknown[row][0].sum().item<std::int64_t>(),
                             truth_energy[i], compare(result.damaged[row], row, damaged_energy[i]),
                             compare(result.filled[row], row, filled_energy[i]),
                             compare(result.restored[row], row, restored_energy[i])});
  }
}

Version BatchRestorer::compare(const at::Tensor& pixels, std::int64_t row, double energy) const {
  if (!set_.truth.defined()) return {energy, {}, {}};
  const at::Tensor truth = set_.truth[row];
  return {energy, squared_error(pixels, truth), squared_error(pixels, truth, set_.unknown[row][0])};
}

}  // namespace valley::app
