// The learning rate: constant, or halved when the objective's measure of convergence stops falling.
//
// The measure is averaged over windows of steps. A window whose mean is not lower than the best one
// by a relative `improvement` is a stall; after `windows` of them in a row the rate halves, down to
// `floor` times the first rate. The mean is kept on the device and read once a window, so a step
// never waits for it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "storage/safetensors.h"

namespace valley {

struct RateSettings {
  double rate = 1e-4;
  bool halve_on_stall = true;
  std::int64_t window = 5000;  // steps
  std::int64_t windows = 4;
  double improvement = 0.01;
  double floor = 0.125;  // of the first rate
};

class RateSchedule {
 public:
  RateSchedule(const RateSettings& settings, at::Device device);

  [[nodiscard]] const at::Tensor& rate() const {
    return rate_;
  }  // double [] on the device; always this very tensor
  // Once a step; `convergence` double []. Returns whether the rate was halved.
  bool observe(const at::Tensor& convergence);

  void save(TensorMap& state) const;  // names start with "schedule."
  void load(const TensorMap& state, const std::string& where);

 private:
  bool end_window(double mean);
  RateSettings settings_;
  at::Tensor rate_;
  at::Tensor sum_;     // double [], of the present window
  at::Tensor counts_;  // int64 [2] on the CPU: steps in the present window, stalls in a row
  at::Tensor best_;    // double [] on the CPU
};

}  // namespace valley
