// An optimizer on a flat group: one pass over its memory per step, with scalars on the device, so
// that a step never waits for the host.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "experiment/optimizer_rule.h"
#include "storage/safetensors.h"
#include "train/flat_group.h"
#include "train/rate_schedule.h"

namespace valley {

class FlatOptimizer {
 public:
  // `rate`: RateSchedule::rate(), double [] on the group's device, which the schedule changes.
  // `group` must outlive this object.
  FlatOptimizer(const FlatGroup& group, at::Tensor rate, const OptimizerRule& rule,
                const UpdateLimits& limits = {});

  // Updates the parameters from group.gradients(), which it clips, and sets gradient_norm(), the
  // norm before that. If a reduced gradient
  // or a sum in the tail is not finite, sets `not_finite` (int32 []) permanently; while it is set,
  // parameters and moments do not change.
  void step(const at::Tensor& not_finite);
  // From the next step on.
  void set_rate(const StepRate& step_rate) { step_rate_ = step_rate; }
  void reset();  // sets the moments and the update count to zero
  [[nodiscard]] const at::Tensor& gradient_norm() const { return norm_; }  // float []
  [[nodiscard]] at::Tensor rate() const;  // double []: learning rate of the next step

  // Tensors "optimizer.NAME.MOMENT.TENSOR", copied when `later` runs if that is given, and
  // "optimizer.NAME.updates".
  void save(TensorMap& state, DeferredCopies* later = nullptr) const;
  void load(const TensorMap& state, const std::string& where);
  void add_digests(Digests& digests) const;
  // Loads the moments that fit; others, and the update count if there is none, stay zero.
  void load_matching(const TensorMap& state);

 private:
  void forget_frozen() const;  // moments of frozen tensors would move them
  [[nodiscard]] std::string prefix() const { return "optimizer." + group_.name() + "."; }
  const FlatGroup& group_;
  at::Tensor rate_;
  OptimizerRule rule_;
  UpdateLimits limits_;
  at::Tensor decaying_;  // uint8, see FlatGroup::decaying_blocks; undefined without decay
  StepRate step_rate_;
  std::vector<std::string> names_;   // names of moments_
  std::vector<at::Tensor> moments_;  // float [size] each
  at::Tensor updates_;               // int64 []
  at::Tensor norm_;
};

}  // namespace valley
