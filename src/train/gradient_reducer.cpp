#include "train/gradient_reducer.h"

#include <ATen/ops/add.h>
#include <ATen/ops/empty_like.h>

#include <utility>

#include "core/error.h"

namespace valley {

void TreeSum::push(const at::Tensor& buffer) {
  at::Tensor sum = buffer;
  std::size_t l = 0;
  for (; l < levels_.size() && levels_[l].occupied; ++l) {
    // Always older plus newer, so that the order of additions does not depend on the rank.
    levels_[l].sum.add_(sum);
    sum = levels_[l].sum;
    levels_[l].occupied = false;
  }
  if (l == levels_.size()) levels_.push_back({at::empty_like(buffer), false});
  levels_[l].sum.copy_(sum);
  levels_[l].occupied = true;
}

void TreeSum::total(const at::Tensor& out) {
  VALLEY_CHECK(!levels_.empty() && levels_.back().occupied);
  for (std::size_t l = 0; l + 1 < levels_.size(); ++l) VALLEY_CHECK(!levels_[l].occupied);
  out.copy_(levels_.back().sum);
  levels_.back().occupied = false;
}

void GradientReducer::end_microbatch(const at::Tensor& buffer) {
  if (!reproducible_) return;
  tree_.push(buffer);
  buffer.zero_();
}

void GradientReducer::reduce(const at::Tensor& buffer) {
  if (!reproducible_) {
    communicator_.all_reduce(buffer, ReduceOp::kSum)->wait();
    return;
  }
  tree_.total(buffer);
  communicator_.tree_reduce(buffer)->wait();
}

}  // namespace valley
