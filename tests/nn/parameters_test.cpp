#include "nn/parameters.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <cmath>

namespace valley {
namespace {

TEST(Parameters, InitialValuesDependOnSeedAndNameOnly) {
  ParameterSet one;
  ParameterSet two;
  const at::Tensor a = one.add("a.weight", {8, 4, 3, 3}, Initializer::xavier_uniform(36, 72));
  two.add("added.before", {5}, Initializer::xavier_uniform(5, 5));
  const at::Tensor b = two.add("a.weight", {8, 4, 3, 3}, Initializer::xavier_uniform(36, 72));
  one.initialize(3, "generator.");
  two.initialize(3, "generator.");
  EXPECT_TRUE(at::equal(a, b));
  two.initialize(4, "generator.");
  EXPECT_FALSE(at::equal(a, b));
  two.initialize(3, "discriminator.");
  EXPECT_FALSE(at::equal(a, b));
}

TEST(Parameters, XavierHasGlorotsVariance) {
  ParameterSet set;
  const at::Tensor w = set.add("w", {300, 200}, Initializer::xavier_uniform(200, 300));
  const at::Tensor bias = set.add("b", {300}, Initializer::zero());
  set.initialize(0, "");
  const double bound = std::sqrt(6.0 / 500.0);
  EXPECT_LE(w.abs().max().item<double>(), bound);
  EXPECT_NEAR(w.var().item<double>(), 2.0 / 500.0, 1e-4);
  EXPECT_NEAR(w.mean().item<double>(), 0.0, 2e-3);
  EXPECT_EQ(bias.abs().sum().item<double>(), 0.0);
  EXPECT_EQ(set.count(), 300 * 200 + 300);
}

TEST(Parameters, DuplicateNameIsRejected) {
  ParameterSet set;
  set.add("w", {1}, Initializer::zero());
  EXPECT_THROW(set.add("w", {1}, Initializer::zero()), std::logic_error);
}

}  // namespace
}  // namespace valley
