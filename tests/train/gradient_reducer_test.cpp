#include "train/gradient_reducer.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "comm/self_communicator.h"

namespace valley {
namespace {

// Values of very different magnitudes, so that the order of additions changes the result.
std::vector<at::Tensor> leaves(int n) {
  at::manual_seed(4);
  std::vector<at::Tensor> all;
  for (int i = 0; i < n; ++i)
    all.push_back(at::randn({1000}) * std::pow(10.0F, static_cast<float>(i % 7 - 3)));
  return all;
}

at::Tensor tree(const std::vector<at::Tensor>& all, std::size_t begin, std::size_t n) {
  return n == 1 ? all[begin] : tree(all, begin, n / 2) + tree(all, begin + n / 2, n / 2);
}

TEST(TreeSum, EqualsFullBinaryTree) {
  for (const int n : {1, 2, 4, 8, 16}) {
    const auto all = leaves(n);
    TreeSum sum;
    for (const at::Tensor& leaf : all) sum.push(leaf);
    at::Tensor total = at::empty({1000});
    sum.total(total);
    EXPECT_TRUE(at::equal(total, tree(all, 0, all.size()))) << n;
  }
}

TEST(TreeSum, DiffersFromLinearSum) {
  const auto all = leaves(16);
  at::Tensor linear = at::zeros({1000});
  for (const at::Tensor& leaf : all) linear.add_(leaf);
  EXPECT_FALSE(at::equal(linear, tree(all, 0, 16)));
}

TEST(TreeSum, RestartsAfterTotal) {
  const auto all = leaves(4);
  TreeSum sum;
  at::Tensor total = at::empty({1000});
  for (int round = 0; round < 2; ++round) {
    for (const at::Tensor& leaf : all) sum.push(leaf);
    sum.total(total);
    EXPECT_TRUE(at::equal(total, tree(all, 0, 4)));
  }
}

TEST(TreeSum, TotalOfIncompleteTreeIsRejected) {
  const auto all = leaves(3);
  TreeSum sum;
  at::Tensor total = at::empty({1000});
  EXPECT_THROW(sum.total(total), std::logic_error);
  for (const at::Tensor& leaf : all) sum.push(leaf);
  EXPECT_THROW(sum.total(total), std::logic_error);
}

TEST(GradientReducer, AddsInTreeOrderOnlyIfReproducible) {
  const auto alone = make_self_communicator(at::kCPU);
  const auto all = leaves(4);
  for (const bool reproducible : {false, true}) {
    GradientReducer reducer(*alone, reproducible);
    at::Tensor buffer = at::zeros({1000});
    for (const at::Tensor& leaf : all) {
      buffer.add_(leaf);
      reducer.end_microbatch(buffer);
    }
    reducer.reduce(buffer);
    EXPECT_TRUE(at::allclose(buffer, tree(all, 0, 4), 1e-4, 1e-3));
    EXPECT_EQ(at::equal(buffer, tree(all, 0, 4)), reproducible);
  }
}

}  // namespace
}  // namespace valley
