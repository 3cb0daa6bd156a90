// Batch norm (Ioffe & Szegedy 2015) whose running moments do not depend on the number of ranks.
//
// The batch is the microbatch: one rank computes its moments in one forward pass, so that the
// results do not depend on how microbatches are distributed over ranks. A forward pass does not
// change the running moments: it adds weight * (batch moment - running moment) to their .grad,
// which the trainer sums over all ranks with the gradients and applies once per step
// (FlatGroup::take_statistics).
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>

#include "nn/layers.h"
#include "nn/model.h"
#include "nn/parameters.h"

namespace valley {

class BatchNorm2d {
 public:
  // Initial scale 1, shift 0, running mean 0 and running variance 1. `context`: the network's.
  BatchNorm2d(ParameterSet& set, const std::string& name, std::int64_t features,
              std::shared_ptr<const PassContext> context);
  // x: [B, features, H, W], B * H * W >= 2. Normalizes by the batch's mean and (biased) variance
  // plus 1e-5 with context.batch_statistics, else by the running ones; then applies `activation`.
  // Second derivatives are not defined on CPUs with batch statistics.
  [[nodiscard]] at::Tensor operator()(const at::Tensor& x, Activation activation) const;
  [[nodiscard]] LayerInfo info(std::int64_t size, const std::string& note = "") const;

 private:
  // Moments of `n` values per feature: mean and 1 / sqrt(biased variance + 1e-5), [features].
  void note_moments(const at::Tensor& mean, const at::Tensor& inverse_deviation,
                    std::int64_t n) const;

  std::string name_;
  std::shared_ptr<const PassContext> context_;
  at::Tensor weight_;        // [features]
  at::Tensor bias_;          // [features]
  at::Tensor running_mean_;  // [features]
  at::Tensor running_var_;   // [features], of unbiased variances, as in PyTorch
};

}  // namespace valley
