#include "samplers/trajectory.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace valley {

std::vector<std::int64_t> spread_steps(std::int64_t steps, std::int64_t columns) {
  VALLEY_CHECK(steps >= 0 && columns >= 2);
  const std::int64_t gaps = std::min(columns - 1, std::max<std::int64_t>(1, steps));
  std::vector<std::int64_t> all;
  for (std::int64_t i = 0; i <= gaps; ++i) all.push_back((2 * i * steps + gaps) / (2 * gaps));
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

TrajectoryRecorder::TrajectoryRecorder(EnergyFunction energy, std::vector<std::int64_t> steps,
                                       std::function<std::string(std::int64_t)> name_of)
    : energy_(std::move(energy)), steps_(std::move(steps)), name_of_(std::move(name_of)) {}

void TrajectoryRecorder::see(std::int64_t steps_done, const at::Tensor& images) {
  require_finite_rows(steps_done, images.flatten(1), "image");
  if (!std::binary_search(steps_.begin(), steps_.end(), steps_done)) return;
  const at::NoGradGuard no_grad;
  const at::Tensor energies = energy_(images);
  require_finite_rows(steps_done, energies.unsqueeze(1), "energy");
  seen_.push_back(steps_done);
  images_.push_back(images.to(at::kCPU).clone());
  energies_.push_back(energies.to(at::kCPU));
}

Trajectory TrajectoryRecorder::take() {
  if (seen_.empty()) return {};
  return {std::exchange(seen_, {}), at::stack(std::exchange(images_, {})),
          at::stack(std::exchange(energies_, {}))};
}

void TrajectoryRecorder::require_finite_rows(std::int64_t steps_done, const at::Tensor& rows,
                                             const char* what) const {
  const at::Tensor bad = at::isfinite(rows).all(1).logical_not();
  if (!bad.any().item<bool>()) return;
  const std::int64_t row = bad.nonzero()[0][0].item<std::int64_t>();
  throw Error(ExitCode::kDiverged,
              "{}: its {} is not finite after step {} of the chain; use a smaller step size, or "
              "check the energies that the model assigns to images",
              name_of_(row), what, steps_done);
}

}  // namespace valley
