// Sums flat gradient buffers over microbatches and ranks.
//
// Default: microbatches accumulate in place, then one all-reduce. Reproducible: the gradients of
// the microbatches are added in a fixed binary tree, first within the rank, then across ranks with
// `tree_reduce`, so that the result is bitwise equal for any number of ranks.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "comm/communicator.h"

namespace valley {

// Adds buffers pairwise, like the carries of a binary counter: after 2^n pushes `total` is the root
// of a full binary tree.
class TreeSum {
 public:
  void push(const at::Tensor& buffer);  // copies it
  // Writes the sum of the buffers pushed since the last call, a power of two of them, to `out`.
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

  // Call after each microbatch has accumulated into `buffer`.
  void end_microbatch(const at::Tensor& buffer);
  // Collective, after the last microbatch: work queued later sees in `buffer` the sum over all
  // microbatches of all ranks.
  void reduce(const at::Tensor& buffer);

 private:
  Communicator& communicator_;
  bool reproducible_;
  TreeSum tree_;
};

}  // namespace valley
