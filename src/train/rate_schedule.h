// The learning rate: constant, stepped down every so many steps, or halved when the objective's
// measure of convergence stops falling.
//
// Stepped: after step s it is factor^floor(s / every) times the first rate.
// Halved: the measure is averaged over windows of steps. A window whose mean is not lower than the
// best one by a relative `improvement` is a stall; after `windows` of them in a row the rate
// halves, down to `floor` times the first rate. The mean is kept on the device and read once a
// window, so a step never waits for it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>

#include "experiment/experiment.h"
#include "storage/safetensors.h"

namespace valley {

struct RateSettings {
  double rate = 1e-4;
  LrSchedule rule = LrSchedule::kHalveOnStall;
  std::int64_t window = 5000;  // steps
  std::int64_t windows = 4;
  double improvement = 0.01;
  double floor = 0.125;        // of the first rate
  std::int64_t every = 10000;  // steps
  double factor = 0.5;
};
[[nodiscard]] RateSettings rate_settings(const OptimizerOptions& options);

class RateSchedule {
 public:
  RateSchedule(const RateSettings& settings, at::Device device);

  [[nodiscard]] const at::Tensor& rate() const {
    return rate_;
  }  // double [] on the device; always this very tensor
  // After every step, `steps_done` with it; `convergence` double [], where the objective has such a
  // measure. Returns what it changed, in words.
  std::optional<std::string> observe(std::int64_t steps_done,
                                     const std::optional<at::Tensor>& convergence);
  // Training counts again from this step: a stepped rate is again what it was after it.
  void rewind_to(std::int64_t steps_done);

  void save(TensorMap& state) const;  // names start with "schedule."
  void load(const TensorMap& state, const std::string& where);

 private:
  [[nodiscard]] double stepped(std::int64_t steps_done) const;
  std::optional<std::string> step_down(std::int64_t steps_done);
  std::optional<std::string> end_window(double mean);
  RateSettings settings_;
  at::Tensor rate_;
  at::Tensor sum_;     // double [], of the present window
  at::Tensor counts_;  // int64 [2] on the CPU: steps in the present window, stalls in a row
  at::Tensor best_;    // double [] on the CPU
};

}  // namespace valley
