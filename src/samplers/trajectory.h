// Images and energies of chains at selected steps.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "samplers/langevin.h"

namespace valley {

struct Trajectory {
  std::vector<std::int64_t> steps;  // completed steps, ascending; 0: the start
  at::Tensor images;                // float [T, B, C, H, W] on the host
  at::Tensor energies;              // float [T, B] on the host
};

// `columns` distinct step counts from 0 to `steps`, evenly spaced up to rounding; fewer if there
// are fewer steps. columns >= 2.
[[nodiscard]] std::vector<std::int64_t> spread_steps(std::int64_t steps, std::int64_t columns);

// Records chains at given steps, as ChainRules::watch. In every step, images that are not finite
// end the chain: Error kDiverged naming the chain and the step.
class TrajectoryRecorder {
 public:
  // `name_of`: name of the chain in a row, for messages.
  TrajectoryRecorder(EnergyFunction energy, std::vector<std::int64_t> steps,
                     std::function<std::string(std::int64_t row)> name_of);

  void see(std::int64_t steps_done, const at::Tensor& images);
  // Returns what was recorded, in the order of steps.
  [[nodiscard]] Trajectory take();

 private:
  void require_finite_rows(std::int64_t steps_done, const at::Tensor& rows, const char* what) const;

  EnergyFunction energy_;
  std::vector<std::int64_t> steps_;
  std::function<std::string(std::int64_t)> name_of_;
  std::vector<std::int64_t> seen_;
  std::vector<at::Tensor> images_;
  std::vector<at::Tensor> energies_;
};

}  // namespace valley
