// Results of kernels that must not depend on the number of threads.
#pragma once

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

namespace valley::testing {

// `compute` returns a vector of tensors: compares those of one and of three threads.
template <typename Compute>
void expect_same_for_any_threads(const Compute& compute) {
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const std::vector<at::Tensor> one = compute();
  at::set_num_threads(3);
  const std::vector<at::Tensor> three = compute();
  at::set_num_threads(before);
  ASSERT_EQ(one.size(), three.size());
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(at::equal(one[i], three[i])) << i;
}

}  // namespace valley::testing
