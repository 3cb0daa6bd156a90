#include "nn/layers.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "nn/batch_norm.h"
#include "nn/conv_stack.h"
#include "nn/spectral_norm.h"

namespace valley {
namespace {

TEST(Layers, ConvInfoMatchesItsOutput) {
  for (const ConvShape& shape :
       {ConvShape{3, 5, 3, 1, 1}, ConvShape{3, 5, 4, 2, 1}, ConvShape{3, 5, 5, 2, 2},
        ConvShape{3, 5, 4, 2, 1, true}, ConvShape{3, 5, 7, 1, 0, true}, ConvShape{3, 5, 1, 1, 0}}) {
    ParameterSet set;
    const Conv2d conv(set, "c", shape, Initializer::normal(1));
    set.initialize(1, "");
    const at::Tensor y = conv(at::rand({2, 3, 8, 8}));
    const std::int64_t size = shape.output_size(8);
    EXPECT_EQ(y.sizes(), (std::vector<std::int64_t>{2, 5, size, size})) << shape.kernel;
    EXPECT_EQ(conv.info(size).parameters, set.count());
    EXPECT_EQ(conv.info(size).activations, 5 * size * size);
  }
}

TEST(Layers, HeNormalPreservesScaleThroughReluForBothConvs) {
  // The variance of a layer's output is twice its input's second moment, and a ReLU halves it.
  for (const ConvShape& shape : {halving(32, 32), doubling(32, 32), unfolding(64, 32, 4)}) {
    ParameterSet set;
    const Conv2d conv(set, "c", shape, Initializer::he_normal(shape.fan_in()));
    set.initialize(2, "");
    const std::int64_t size = shape.padding == 0 ? 1 : 16;
    const at::Tensor y = conv(at::randn({64, shape.in, size, size}));
    // Without the borders, where padding is read.
    const std::int64_t edge = shape.padding == 0 ? 0 : 2;
    const std::int64_t inside = y.size(2) - 2 * edge;
    const double variance = y.narrow(2, edge, inside).narrow(3, edge, inside).var().item<double>();
    EXPECT_NEAR(variance, 2.0, 0.2) << shape.kernel << " " << shape.transposed;
  }
}

// If products are computed in float, weights and sums are not rounded to bfloat16 before the end.
// ctest runs this with and without LibTorch's AVX-512.
TEST(Layers, OutputIsBfloat16ForAnyProductType) {
  ParameterSet set;
  const Conv2d conv(set, "c", {16, 8, 4, 2, 1}, Initializer::normal(0.1));
  const Conv2d back(set, "b", {16, 8, 4, 2, 1, true}, Initializer::normal(0.1));
  const Linear linear(set, "l", 12, 6);
  set.initialize(1, "");
  const auto check = [](const auto& layer, const at::Tensor& x) {
    const at::Tensor rounded = x.to(at::kBFloat16);
    const at::Tensor y = layer(rounded);
    ASSERT_EQ(y.scalar_type(), at::kBFloat16);
    const at::Tensor exact = layer(rounded.to(at::kFloat));
    if (kernels::product_type(rounded) == at::kFloat) {
      EXPECT_TRUE(at::equal(y, exact.to(at::kBFloat16)));
    } else {
      EXPECT_LT((y - exact).abs().max().item<double>(), 0.02 * exact.abs().max().item<double>());
    }
  };
  check(conv, at::randn({2, 16, 8, 8}));
  check(back, at::randn({2, 16, 8, 8}));
  check(linear, at::randn({3, 12}));
}

TEST(Layers, ActivationsMatchTheirFormulas) {
  const at::Tensor x = at::linspace(-3, 3, 25);
  const auto of = [&](Activation a) { return activate(x.clone(), a); };
  EXPECT_TRUE(at::equal(of(Activation::kNone), x));
  EXPECT_TRUE(at::allclose(of(Activation::kRelu), at::clamp_min(x, 0)));
  EXPECT_TRUE(at::allclose(of(Activation::kLeakyRelu), at::where(x > 0, x, 0.2 * x)));
  EXPECT_TRUE(at::allclose(of(Activation::kElu), at::where(x > 0, x, at::exp(x) - 1)));
  EXPECT_TRUE(at::allclose(of(Activation::kTanh), at::tanh(x)));
  EXPECT_TRUE(at::allclose(of(Activation::kSigmoid), 1 / (1 + at::exp(-x))));
  EXPECT_EQ(output_activation("linear"), Activation::kNone);
  EXPECT_EQ(output_activation("tanh"), Activation::kTanh);
  EXPECT_EQ(output_activation("sigmoid"), Activation::kSigmoid);
}

class BatchNormTest : public ::testing::Test {
 protected:
  BatchNormTest() { set_.initialize(0, ""); }
  at::Tensor running(std::size_t i) const { return set_.buffers()[i].value; }
  std::shared_ptr<PassContext> context_ = std::make_shared<PassContext>();
  ParameterSet set_;
  BatchNorm2d norm_{set_, "norm", 3, context_};
  at::Tensor x_ = at::randn({4, 3, 5, 5}) * 2 + 1;
};

TEST_F(BatchNormTest, UsesBatchOrRunningMoments) {
  EXPECT_TRUE(
      at::allclose(norm_(x_, Activation::kNone), x_ / std::sqrt(1 + 1e-5)));  // running: 0 and 1
  context_->batch_statistics = true;
  const at::Tensor y = norm_(x_, Activation::kNone);
  EXPECT_TRUE(at::allclose(y.mean({0, 2, 3}), at::zeros({3}), 0, 1e-6));
  EXPECT_TRUE(at::allclose(y.var({0, 2, 3}, false), at::ones({3}), 0, 1e-4));
  set_.all()[0].value.fill_(3);  // weight
  set_.all()[1].value.fill_(-2);
  EXPECT_TRUE(at::allclose(norm_(x_, Activation::kNone), y * 3 - 2, 1e-5, 1e-5));
}

TEST_F(BatchNormTest, ForwardPassAddsMomentDifferencesButKeepsRunningMoments) {
  context_->batch_statistics = true;
  static_cast<void>(norm_(x_, Activation::kNone));
  EXPECT_FALSE(running(0).grad().defined());  // forward pass with statistics_weight 0
  const at::Tensor mean = x_.mean({0, 2, 3});
  const at::Tensor variance = x_.var({0, 2, 3}, true);  // unbiased
  context_->statistics_weight = 0.25;
  static_cast<void>(norm_(x_, Activation::kNone));
  EXPECT_TRUE(at::allclose(running(0).grad(), 0.25 * mean));
  EXPECT_TRUE(at::allclose(running(1).grad(), 0.25 * (variance - 1)));
  static_cast<void>(norm_(x_, Activation::kNone));
  EXPECT_TRUE(at::allclose(running(0).grad(), 0.5 * mean));
  EXPECT_TRUE(at::equal(running(0), at::zeros({3})));
  EXPECT_TRUE(at::equal(running(1), at::ones({3})));
  // Outside of training, running moments are used and no statistics are added.
  context_->batch_statistics = false;
  static_cast<void>(norm_(x_, Activation::kNone));
  EXPECT_TRUE(at::allclose(running(0).grad(), 0.5 * mean));
}

// On CPUs, Valley's kernels normalize channels_last maps, LibTorch others.
TEST_F(BatchNormTest, IsEqualInAnyMemoryLayout) {
  context_->batch_statistics = true;
  context_->statistics_weight = 1;
  for (const Activation activation :
       {Activation::kNone, Activation::kRelu, Activation::kLeakyRelu, Activation::kTanh}) {
    std::vector<at::Tensor> found[2];
    for (const bool last : {false, true}) {
      set_.require_grad(true);
      for (const auto& p : set_.all()) p.value.mutable_grad() = at::Tensor();
      running(0).mutable_grad() = at::Tensor();
      at::Tensor x = x_.detach().clone();
      if (last) x = x.contiguous(at::MemoryFormat::ChannelsLast);
      x.set_requires_grad(true);
      const at::Tensor y = norm_(x, activation);
      (y * y * y).sum().backward();
      found[last ? 1 : 0] = {y.detach(), x.grad(), set_.all()[0].value.grad(),
                             set_.all()[1].value.grad(), running(0).grad()};
    }
    for (std::size_t i = 0; i < found[0].size(); ++i) {
      EXPECT_TRUE(at::allclose(found[0][i], found[1][i], 1e-4, 1e-4))
          << activation_name(activation) << " " << i;
    }
  }
}

TEST(SpectralNorm, PowerIterationFindsTheLargestSingularValue) {
  ParameterSet set;
  const at::Tensor weight = set.add("c.weight", {8, 5, 3, 3}, Initializer::normal(1));
  const SpectralNorm norm(set, "c", weight, SpectralNorm::Kind::kDivide);
  set.initialize(3, "");
  const auto largest = [](const at::Tensor& w) {
    return std::get<1>(at::svd(w.flatten(1))).max().item<double>();
  };
  norm.iterate(200);
  EXPECT_NEAR(largest(norm()), 1.0, 1e-4);
  EXPECT_TRUE(at::allclose(norm() * largest(weight), weight, 1e-3, 1e-4));
  for (const Buffer& b : set.buffers()) {
    EXPECT_EQ(b.kind, Buffer::Kind::kDerived);
    EXPECT_NEAR(b.value.norm().item<double>(), 1.0, 1e-5) << b.name;
  }
}

TEST(SpectralNorm, IsDifferentiatedThroughSigma) {
  ParameterSet set;
  const at::Tensor weight = set.add("w", {4, 6}, Initializer::normal(1));
  const SpectralNorm norm(set, "c", weight, SpectralNorm::Kind::kDivide);
  set.initialize(4, "");
  norm.iterate(100);
  const at::Tensor g = at::randn({4, 6});
  weight.set_requires_grad(true);
  (norm() * g).sum().backward();
  // d(sum(g * W / s)) = g / s - sum(g * W) / s^2 * u v^T  (Miyato et al., equation 12).
  const at::Tensor u = set.buffers()[0].value;
  const at::Tensor v = set.buffers()[1].value;
  const at::Tensor w = weight.detach();
  const at::Tensor sigma = at::dot(u, at::mv(w, v));
  const at::Tensor expected = g / sigma - (g * w).sum() / sigma.square() * at::outer(u, v);
  EXPECT_TRUE(at::allclose(weight.grad(), expected, 1e-4, 1e-5));
}

TEST(SpectralNorm, BoundDoesNotChangeSmallWeights) {
  ParameterSet set;
  const at::Tensor weight = set.add("w", {4, 6}, Initializer::normal(1e-10));
  const SpectralNorm norm(set, "c", weight, SpectralNorm::Kind::kBound);
  set.initialize(5, "");
  norm.iterate(20);
  EXPECT_TRUE(at::equal(norm(), weight));
  weight.mul_(1e12);
  norm.iterate(20);
  EXPECT_NEAR(std::get<1>(at::svd(norm())).max().item<double>(), 1.0, 1e-3);
}

}  // namespace
}  // namespace valley
