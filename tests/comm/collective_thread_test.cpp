#include "comm/collective_thread.h"

#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <vector>

#include "ranked_test.h"

namespace valley {
namespace {

using testing::world;

TEST(CollectiveThread, ReducesInOrderWhileTheCallerContinues) {
  CollectiveThread thread(world().host());
  const int size = world().size();
  std::vector<at::Tensor> tensors;
  std::vector<std::unique_ptr<Work>> works;
  for (int i = 0; i < 20; ++i) {
    // Different lengths: reordered calls would not match on the other ranks.
    tensors.push_back(
        at::full({1 + 1000 * i}, static_cast<double>(i * (world().rank() + 1)), at::kFloat));
    works.push_back(thread.all_reduce(tensors.back(), ReduceOp::kSum));
  }
  for (const auto& work : works) work->wait();
  for (int i = 0; i < 20; ++i) {
    const double expected = i * size * (size + 1) / 2.0;
    const at::Tensor& sum = tensors[static_cast<std::size_t>(i)];
    EXPECT_EQ(sum.min().item<double>(), expected);
    EXPECT_EQ(sum.max().item<double>(), expected);
  }
  works.front()->wait();  // again: nothing
}

TEST(CollectiveThread, WaitRethrowsTheExceptionOfTheCall) {
  CollectiveThread thread(world().host());
  const std::unique_ptr<Work> bad =
      thread.all_reduce(at::full({4}, 1.0, at::kHalf), ReduceOp::kSum);
  EXPECT_THROW(bad->wait(), std::logic_error);
  const at::Tensor good = at::full({4}, 1.0, at::kFloat);
  thread.all_reduce(good, ReduceOp::kSum)->wait();
  EXPECT_EQ(good[3].item<double>(), world().size());
}

}  // namespace
}  // namespace valley
