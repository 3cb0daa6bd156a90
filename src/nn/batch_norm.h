// Batch norm (Ioffe & Szegedy 2015) whose running moments do not depend on the number of ranks.
//
// The batch is the microbatch: its moments are taken in one pass on one rank, so that a run has the
// same numbers however its microbatches are shared out. A pass never changes the running moments:
// it adds weight * (its moment - the running one) to their .grad, which the trainer sums over all
// ranks with the gradients and applies once a step (FlatGroup::take_statistics).
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
  // Scale 1, shift 0, running mean 0 and variance 1; `context` is that of the network.
  BatchNorm2d(ParameterSet& set, const std::string& name, std::int64_t features,
              std::shared_ptr<const PassContext> context);
  // [B, features, H, W], B * H * W at least 2; normalised by the batch's mean and (biased) variance
  // plus 1e-5 with context.batch_statistics, else by the running ones. Then `activation`. On CPUs,
  // with batch statistics, second derivatives are not defined.
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
  at::Tensor running_var_;   // [features], of unbiased variances, as PyTorch has it
};

}  // namespace valley
