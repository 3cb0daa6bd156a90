// Adam on a flat group, and the moving average of one: a pass each, in device scalars, so that a
// step never waits for the host.
#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/kernels.h"
#include "storage/safetensors.h"
#include "train/flat_group.h"

namespace valley {

class FlatAdam {
 public:
  // `rate` double [] on the group's device, shared with the schedule that changes it. `group`
  // outlives this.
  FlatAdam(const FlatGroup& group, at::Tensor rate, const kernels::AdamSettings& settings);

  // Steps from group.gradients(), unless `not_finite` (int32 []) is or becomes set: it is raised
  // when a reduced gradient or a sum in the tail is not finite, and stays so. Afterwards
  // gradient_norm() is that of this step.
  void step(const at::Tensor& not_finite);
  [[nodiscard]] const at::Tensor& gradient_norm() const { return norm_; }  // float []

  // "optimizer.NAME.first.TENSOR", ".second.TENSOR", ".updates".
  void save(TensorMap& state) const;
  void load(const TensorMap& state, const std::string& where);

 private:
  [[nodiscard]] std::string prefix() const { return "optimizer." + group_.name() + "."; }
  const FlatGroup& group_;
  at::Tensor rate_;
  kernels::AdamSettings settings_;
  at::Tensor first_, second_;  // float [size]
  at::Tensor updates_;         // int64 []
  at::Tensor norm_;
};

}  // namespace valley
