#include "kernels/losses.h"

#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "any_threads.h"
#include "kernels/device.h"

namespace valley::kernels {
namespace {

struct Pair {
  at::Tensor a, b;
};

// Partly equal, so that all three signs occur. Sizes below a slice, of some slices with a
// remainder, and of many.
Pair some_pair(at::IntArrayRef shape) {
  at::manual_seed(1);
  Pair pair{at::randn(shape), at::randn(shape)};
  pair.b.view(-1).slice(0, 0, std::nullopt, 5).copy_(pair.a.view(-1).slice(0, 0, std::nullopt, 5));
  return pair;
}

const std::vector<std::vector<std::int64_t>>& shapes() {
  static const std::vector<std::vector<std::int64_t>> all = {
      {1}, {2, 3, 5, 7}, {3, 3, 61, 53}, {16, 3, 128, 64}};
  return all;
}

double exact_mean(const Pair& p) {
  return (p.a.to(at::kDouble) - p.b.to(at::kDouble)).abs().mean().item<double>();
}

TEST(L1Mean, IsTheMeanDistance) {
  for (const auto& shape : shapes()) {
    const Pair p = some_pair(shape);
    EXPECT_NEAR(l1_mean(p.a, p.b).item<float>(), exact_mean(p), 1e-6 * exact_mean(p));
  }
}

TEST(L1Mean, PropagatesNaN) {
  Pair p = some_pair({3, 3, 61, 53});
  p.a.view(-1)[17] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(l1_mean(p.a, p.b).item<float>()));
}

TEST(L1, DoesNotDependOnTheLayout) {
  const Pair p = some_pair({4, 3, 16, 16});
  const at::Tensor upstream = at::full({}, 2.0F);
  const at::Tensor last = p.b.contiguous(at::MemoryFormat::ChannelsLast);
  EXPECT_EQ(l1_mean(p.a, last).item<float>(), l1_mean(p.a, p.b).item<float>());
  const L1GradientPair plain = l1_gradients(p.a, p.b, upstream, {});
  const L1GradientPair mixed = l1_gradients(last, p.a, upstream, {});
  EXPECT_TRUE(at::equal(mixed.a, plain.b));
  EXPECT_TRUE(at::equal(mixed.b, plain.a));
  const at::Tensor sparse = at::stack({p.a, p.a}, 4).select(4, 0);
  EXPECT_EQ(l1_mean(sparse, p.b).item<float>(), l1_mean(p.a, p.b).item<float>());
}

TEST(L1, DoesNotDependOnTheNumberOfThreads) {
  const Pair p = some_pair({16, 3, 128, 64});
  const at::Tensor upstream = at::full({}, -0.375F);
  testing::expect_same_for_any_threads([&] {
    const L1GradientPair gradients = l1_gradients(p.a, p.b, upstream, {});
    return std::vector<at::Tensor>{l1_mean(p.a, p.b), gradients.a, gradients.b};
  });
}

TEST(L1Gradients, AreSignsOverTheirNumber) {
  for (const auto& shape : shapes()) {
    const Pair p = some_pair(shape);
    const at::Tensor upstream = at::full({}, -0.375F);
    const at::Tensor expected = at::sign(p.a - p.b) * (upstream / p.a.numel());
    const L1GradientPair both = l1_gradients(p.a, p.b, upstream, {});
    EXPECT_TRUE(at::allclose(both.a, expected, 1e-6, 0));
    EXPECT_TRUE(at::equal(both.b, -both.a));
    const L1GradientPair a = l1_gradients(p.a, p.b, upstream, {true, false});
    const L1GradientPair b = l1_gradients(p.a, p.b, upstream, {false, true});
    EXPECT_TRUE(at::equal(a.a, both.a) && !a.b.defined());
    EXPECT_TRUE(at::equal(b.b, both.b) && !b.a.defined());
  }
}

at::Tensor at_k(double k) { return at::full({}, k, at::kDouble); }

TEST(BeganController, FollowsTheEquations) {
  const at::Tensor d = at::tensor({3.0F, 1.0F, 4.0F});
  const at::Tensor g = at::tensor({0.5F, 8.0F});
  const at::Tensor k = at_k(0.25);
  const at::Tensor values = began_controller(d, g, k, 0.5, 0.1);
  const double balance = 0.5 * 0.75 - 0.0625;
  const at::Tensor expected =
      at::tensor({0.75, 0.25, 0.0625, 0.75 - 0.25 * 0.25, 0.75 + balance}, at::kDouble);
  EXPECT_TRUE(at::allclose(values, expected, 1e-14, 0));
  EXPECT_NEAR(k.item<double>(), 0.25 + 0.1 * balance, 1e-15);
}

TEST(BeganController, UsesDiscriminatorImagesWithoutGeneratorSums) {
  const at::Tensor d = at::tensor({3.0F, 2.0F, 4.0F});
  const at::Tensor k = at_k(0.5);
  const at::Tensor values = began_controller(d, {}, k, 0.5, 1);
  EXPECT_EQ(values[2].item<double>(), 0.5);
  EXPECT_NEAR(values[4].item<double>(), 0.75 + 0.125, 1e-15);
  EXPECT_NEAR(k.item<double>(), 0.375, 1e-15);
}

TEST(BeganController, ClampsKAndIgnoresNaN) {
  const at::Tensor g = at::tensor({0.0F, 1.0F});
  const float none = std::numeric_limits<float>::quiet_NaN();
  for (const auto& [real, expected] : {std::pair{9.0F, 1.0}, {-9.0F, 0.0}, {none, 0.25}}) {
    const at::Tensor k = at_k(0.25);
    static_cast<void>(began_controller(at::tensor({real, 1.0F, 1.0F}), g, k, 1, 1));
    EXPECT_EQ(k.item<double>(), expected) << real;
  }
}

// The CPU is the reference of every CUDA kernel.
TEST(LossesOnCuda, Agree) {
  if (!has_cuda_device()) GTEST_SKIP() << "no GPU";
  const at::Tensor upstream = at::full({}, -0.375F);
  for (const auto& shape : shapes()) {
    const Pair p = some_pair(shape);
    const Pair there{p.a.cuda(), p.b.cuda()};
    const at::Tensor mean = l1_mean(there.a, there.b);
    EXPECT_TRUE(at::allclose(mean.cpu(), l1_mean(p.a, p.b), 1e-6, 0));
    EXPECT_TRUE(at::equal(mean, l1_mean(there.a, there.b)));
    for (const Wanted wanted : {Wanted{true, true}, Wanted{true, false}, Wanted{false, true}}) {
      const L1GradientPair here = l1_gradients(p.a, p.b, upstream, wanted);
      const L1GradientPair got = l1_gradients(there.a, there.b, upstream.cuda(), wanted);
      EXPECT_TRUE(!wanted.a || at::allclose(got.a.cpu(), here.a, 1e-6, 0));
      EXPECT_TRUE(!wanted.b || at::allclose(got.b.cpu(), here.b, 1e-6, 0));
    }
  }
  const at::Tensor d = at::tensor({3.0F, 1.0F, 4.0F});
  const at::Tensor g = at::tensor({0.5F, 8.0F});
  for (const at::Tensor& of_g : {g, at::Tensor()}) {
    const at::Tensor k = at_k(0.25);
    const at::Tensor k_there = k.cuda();
    const at::Tensor values = began_controller(d, of_g, k, 0.5, 0.1);
    const at::Tensor got =
        began_controller(d.cuda(), of_g.defined() ? of_g.cuda() : of_g, k_there, 0.5, 0.1);
    EXPECT_TRUE(at::allclose(got.cpu(), values, 1e-14, 0));
    EXPECT_TRUE(at::allclose(k_there.cpu(), k, 1e-14, 0));
  }
}

}  // namespace
}  // namespace valley::kernels
