// What chains look like on their way, and what they have of energy there.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "samplers/langevin.h"

namespace valley {

struct Trajectory {
  std::vector<std::int64_t> steps;  // steps done, rising: 0 is where chains begin
  at::Tensor images;                // float [T, B, C, H, W] on the host
  at::Tensor energies;              // float [T, B] on the host
};

// `columns` step counts from 0 to `steps`, as evenly spaced as whole numbers allow, each once:
// fewer where there are fewer steps. columns >= 2.
[[nodiscard]] std::vector<std::int64_t> spread_steps(std::int64_t steps, std::int64_t columns);

// Records chains at the steps asked for, as their ChainRules::watch. Whatever those are, images
// that are no numbers end the chain at once: Error kDiverged naming the chain and the step.
class TrajectoryRecorder {
 public:
  // `name_of`: of the chain of a row, for messages.
  TrajectoryRecorder(EnergyFunction energy, std::vector<std::int64_t> steps,
                     std::function<std::string(std::int64_t row)> name_of);

  void see(std::int64_t steps_done, const at::Tensor& images);
  // What was seen, in steps' order.
  [[nodiscard]] Trajectory take();

 private:
  void require_numbers(std::int64_t steps_done, const at::Tensor& rows, const char* what) const;

  EnergyFunction energy_;
  std::vector<std::int64_t> steps_;
  std::function<std::string(std::int64_t)> name_of_;
  std::vector<std::int64_t> seen_;
  std::vector<at::Tensor> images_;
  std::vector<at::Tensor> energies_;
};

}  // namespace valley
