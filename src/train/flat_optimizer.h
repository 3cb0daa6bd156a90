// An optimizer on a flat group: one pass over its memory per step, with scalars on the device, so
// that a step never waits for the host.
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
  // `rate`: the scheduled learning rate, double [] on the group's device, shared with the schedule
  // that changes it. The optimizer uses `rate_scale` times it. `group` must outlive this object.
  FlatOptimizer(const FlatGroup& group, at::Tensor rate, const OptimizerRule& rule,
                double rate_scale = 1);

  // Updates the parameters from group.gradients() and sets gradient_norm(). If a reduced gradient
  // or a sum in the tail is not finite, sets `not_finite` (int32 []) permanently; while it is set,
  // parameters and moments do not change.
  void step(const at::Tensor& not_finite);
  // From the next step on: multiplies the learning rate by `stage_scale` and limits sgd's momentum
  // to `max_momentum`.
  void adapt(double stage_scale, double max_momentum);
  void reset();  // sets the moments and the update count to zero
  [[nodiscard]] const at::Tensor& gradient_norm() const { return norm_; }  // float []
  [[nodiscard]] at::Tensor rate() const;  // double []: learning rate of the next step

  // Tensors "optimizer.NAME.MOMENT.TENSOR", copied when `later` runs if that is given, and
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
  std::vector<std::string> names_;   // names of moments_
  std::vector<at::Tensor> moments_;  // float [size] each
  at::Tensor updates_;               // int64 []
  at::Tensor norm_;
};

}  // namespace valley
