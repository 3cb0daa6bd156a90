// Sums flat gradient buffers over microbatches and ranks.
//
// Plain: microbatches add up in place, then one all-reduce. Reproducible: each microbatch's
// gradients are kept apart and added in a fixed binary tree, first inside the rank, then across
// ranks with `tree_reduce`, so that the bits do not depend on how many ranks share the
// microbatches.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "comm/communicator.h"

namespace valley {

// Adds buffers pairwise, as a binary counter does: after 2^n pushes `total` is the root of a full
// binary tree.
class TreeSum {
 public:
  void push(const at::Tensor& buffer);  // copied
  // The sum of all pushed since the last total; only after a power of two of them.
  void total(const at::Tensor& out);

 private:
  struct Level {
    at::Tensor sum;
    bool occupied = false;
  };
  std::vector<Level> levels_;
};

class GradientReducer {
 public:
  GradientReducer(Communicator& communicator, bool reproducible)
      : communicator_(communicator), reproducible_(reproducible) {}

  // Called after each microbatch's accumulation into `buffer`.
  void end_microbatch(const at::Tensor& buffer);
  // Collective, after the last microbatch: `buffer` holds the sum over all microbatches of all
  // ranks for work queued later.
  void reduce(const at::Tensor& buffer);

 private:
  Communicator& communicator_;
  bool reproducible_;
  TreeSum tree_;
};

}  // namespace valley
