// Learning rate and momentum of every network and step: the schedule of the config (constant, step
// decay, linear or cosine decay, or halving when the objective's convergence measure stops
// falling), times the factor of the warm-up, times that of the network, times that of the stage.
//
// Warm-up: step s = 0, 1, ... of the first `warmup` steps has (s + 1) / warmup of the learning
// rate. Step decay: after step s the learning rate is factor^floor(s / every) times the initial
// one. Linear and cosine decay (SGDR, Loshchilov & Hutter 2017, without restarts): with t = (s -
// warmup) / (decay_steps - warmup) in [0, 1], step s has final + (1 - final) (1 - t), or final + (1
// - final) (1 + cos(pi t)) / 2, times the initial learning rate. Halving: the measure is averaged
// over windows of steps. A window whose mean is not lower than the best one by a relative
// `improvement` is a stall; after `windows` stalls in a row the learning rate is halved, down to
// `floor` times the initial one. The sum is kept on the device and read once per window, so that a
// step does not wait for it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>

#include "experiment/experiment.h"
#include "methods/objective.h"
#include "storage/safetensors.h"

namespace valley {

struct RateSettings {
  double rate = 1e-4;
  LrSchedule rule = LrSchedule::kHalveOnStall;
  std::int64_t window = 5000;  // steps
  std::int64_t windows = 4;
  double improvement = 0.01;
  double floor = 0.125;        // times the initial learning rate
  std::int64_t every = 10000;  // steps
  double factor = 0.5;
  std::int64_t warmup = 0;       // steps
  std::int64_t decay_steps = 1;  // linear, cosine: the step after which the learning rate is final
  bool keeps_decay_steps = false;  // decay_steps is that of the start, also after a resume
  double final = 0;                // times the initial learning rate
  double generator_factor = 1;     // generator: times the learning rate
};
// `total_steps`: length of the training.
[[nodiscard]] RateSettings rate_settings(const OptimizerOptions& options, std::int64_t total_steps);

// What the optimizer of one network uses in one step.
struct StepRate {
  double factor = 1;        // times RateSchedule::rate()
  double max_momentum = 1;  // upper bound of sgd's momentum
};

class RateSchedule {
 public:
  RateSchedule(const RateSettings& settings, at::Device device);

  // The learning rate, double [] on the device; always the same tensor.
  [[nodiscard]] const at::Tensor& rate() const { return rate_; }
  // In step `step` of `stage`, counted from 0.
  [[nodiscard]] StepRate in_step(const Stage& stage, std::int64_t step,
                                 const std::string& network) const;
  // Call after every step. `steps_done` includes it; `convergence`: double [], if the objective has
  // such a measure. Returns a description of the change, if there is one, for the log.
  std::optional<std::string> observe(std::int64_t steps_done,
                                     const std::optional<at::Tensor>& convergence);
  // Training continues from an earlier step: restores the learning rate after it, except halvings.
  void rewind_to(std::int64_t steps_done);
  // Multiplies the learning rates of all rules by `scale` from now on, instead of by the previous
  // scale (initially 1).
  void set_scale(double scale, std::int64_t steps_done);

  void save(TensorMap& state) const;  // names start with "schedule."
  void load(const TensorMap& state, const std::string& where);

 private:
  // The learning rate of step `step`, counted from 0.
  [[nodiscard]] double rate_of(std::int64_t step) const;
  [[nodiscard]] double decayed(std::int64_t step) const;
  [[nodiscard]] bool decays_each_step() const {
    return settings_.rule == LrSchedule::kLinear || settings_.rule == LrSchedule::kCosine;
  }
  std::optional<std::string> add_measure(const at::Tensor& convergence);
  std::optional<std::string> end_window(double mean);
  RateSettings settings_;
  double scale_ = 1;
  double halved_;  // halve-on-stall: the learning rate without the warm-up and scale_
  at::Tensor rate_;
  at::Tensor sum_;     // double []: sum of the measure over the current window
  at::Tensor counts_;  // int64 [2] on the CPU: steps in the current window, stalls in a row
  at::Tensor best_;    // double [] on the CPU
};

}  // namespace valley
