// An optimizer on a flat group: a pass over it a step, in device scalars, so that a step never
// waits for the host.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "experiment/optimizer_rule.h"
#include "storage/safetensors.h"
#include "train/flat_group.h"

namespace valley {

class FlatOptimizer {
 public:
  // `rate` double [] on the group's device, shared with the schedule that changes it; this
  // optimizer steps with `rate_scale` times it. `group` outlives this.
  FlatOptimizer(const FlatGroup& group, at::Tensor rate, const OptimizerRule& rule,
                double rate_scale = 1);

  // Steps from group.gradients(), unless `not_finite` (int32 []) is or becomes set: it is raised
  // when a reduced gradient or a sum in the tail is not finite, and stays so. Afterwards
  // gradient_norm() is that of this step.
  void step(const at::Tensor& not_finite);
  // From the next step on: another factor of the learning rate, and a bound of sgd's momentum.
  void adapt(double stage_scale, double max_momentum);
  void reset();  // sets the moments and the count of updates to zero
  [[nodiscard]] const at::Tensor& gradient_norm() const { return norm_; }  // float []
  [[nodiscard]] at::Tensor rate() const;  // double []: that of the next step

  // "optimizer.NAME.MOMENT.TENSOR" for each moment, copied now or left to `later`, and
  // "optimizer.NAME.updates".
  void save(TensorMap& state, DeferredCopies* later = nullptr) const;
  void load(const TensorMap& state, const std::string& where);

 private:
  [[nodiscard]] std::string prefix() const { return "optimizer." + group_.name() + "."; }
  const FlatGroup& group_;
  at::Tensor rate_;
  OptimizerRule rule_;
  double rate_scale_;
  double stage_scale_ = 1;
  double max_momentum_ = 1;
  std::vector<std::string> names_;   // of moments_
  std::vector<at::Tensor> moments_;  // float [size] each
  at::Tensor updates_;               // int64 []
  at::Tensor norm_;
};

}  // namespace valley
