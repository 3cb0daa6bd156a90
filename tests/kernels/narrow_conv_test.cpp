#include "kernels/narrow_conv.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <vector>

#include "any_threads.h"
#include "kernels/conv_maps.h"

namespace valley::kernels {
namespace {

struct SmallChannelCase {
  std::int64_t batch, in, out, height, width;
};

class SmallChannelConv : public ::testing::TestWithParam<SmallChannelCase> {
 protected:
  void SetUp() override {
    const SmallChannelCase& c = GetParam();
    at::manual_seed(1);
    x_ = at::randn({c.batch, c.in, c.height, c.width}).contiguous(kMapLayout);
    weight_ = at::randn({c.out, c.in, 3, 3}) / std::sqrt(9.0 * static_cast<double>(c.in));
    bias_ = at::randn({c.out});
    if (!small_channel_conv_fits(x_, c.in, c.out)) GTEST_SKIP() << "this CPU has no AVX2";
    const at::Tensor x = x_.to(at::kDouble).requires_grad_(true);
    const at::Tensor w = weight_.to(at::kDouble).requires_grad_(true);
    const at::Tensor y = at::conv2d(x, w, {}, {1, 1}, {1, 1});
    gradient_ = at::randn(y.sizes()).contiguous(kMapLayout);
    const auto gradients = torch::autograd::grad({y}, {x, w}, {gradient_.to(at::kDouble)});
    expected_ = {y.detach(), gradients[0], gradients[1]};
  }

  [[nodiscard]] static bool widens() { return GetParam().in <= 3; }

  // The largest error, in units of the result's standard deviation.
  static double error(const at::Tensor& found, const at::Tensor& expected) {
    EXPECT_EQ(found.sizes(), expected.sizes());
    return (found.to(at::kDouble) - expected).abs().max().item<double>() /
           std::sqrt(expected.square().mean().item<double>());
  }

  // Output and gradients.
  [[nodiscard]] std::vector<at::Tensor> all(const at::Tensor& x, const at::Tensor& gradient) const {
    const at::Tensor y = small_channel_conv(x, weight_, bias_);
    if (widens()) {
      return {y, small_channel_conv_weight_gradient(gradient, x, {}),
              small_channel_conv_input_gradient(gradient, weight_)};
    }
    const at::Tensor of_bias = at::empty_like(bias_);
    return {y, small_channel_conv_weight_gradient(gradient, x, of_bias), of_bias};
  }

  at::Tensor x_, weight_, bias_, gradient_;
  std::vector<at::Tensor> expected_;  // output, gradient of x, of weight; in double precision
};

// Bound on the maximum of up to a million rounding errors of direct convolutions in float.
constexpr double kSmallChannelTolerance = 1e-5;

TEST_P(SmallChannelConv, EqualsConvBiasAndEluForSmallInputs) {
  const at::Tensor y = small_channel_conv(x_, weight_, bias_);
  EXPECT_TRUE(y.is_contiguous(kMapLayout));
  const at::Tensor sum = expected_[0] + bias_.view({1, -1, 1, 1});
  EXPECT_LT(error(y, widens() ? at::elu(sum) : sum), kSmallChannelTolerance);
}

TEST_P(SmallChannelConv, GradientOfAnImage) {
  if (!widens()) return;
  const at::Tensor g = small_channel_conv_input_gradient(gradient_, weight_);
  EXPECT_TRUE(g.is_contiguous(kMapLayout));
  EXPECT_LT(error(g, expected_[1]), kSmallChannelTolerance);
}

TEST_P(SmallChannelConv, GradientsOfTheWeightAndTheBias) {
  EXPECT_LT(error(small_channel_conv_weight_gradient(gradient_, x_, {}), expected_[2]),
            kSmallChannelTolerance);
  if (widens()) return;
  const at::Tensor of_bias = at::full_like(bias_, 7);
  (void)small_channel_conv_weight_gradient(gradient_, x_, of_bias);
  const at::Tensor expected = gradient_.to(at::kDouble).sum({0, 2, 3});
  const auto values = static_cast<double>(gradient_.numel() / gradient_.size(1));
  EXPECT_LT((of_bias - expected).abs().max().item<double>(),
            kSmallChannelTolerance * std::sqrt(values));
}

TEST_P(SmallChannelConv, AcceptsWeightsOfAnyStrides) {
  const at::Tensor strided = weight_.transpose(0, 1).contiguous().transpose(0, 1);
  EXPECT_TRUE(
      at::equal(small_channel_conv(x_, strided, bias_), small_channel_conv(x_, weight_, bias_)));
  if (!widens()) return;
  EXPECT_TRUE(at::equal(small_channel_conv_input_gradient(gradient_, strided),
                        small_channel_conv_input_gradient(gradient_, weight_)));
}

TEST_P(SmallChannelConv, IsTheSameForAnyNumberOfThreads) {
  testing::expect_same_for_any_threads([&] { return all(x_, gradient_); });
}

// Only inputs and outputs are rounded.
TEST_P(SmallChannelConv, Bfloat16IsFloatRounded) {
  const at::Tensor x = x_.to(at::kBFloat16);
  const at::Tensor gradient = gradient_.to(at::kBFloat16);
  if (!small_channel_conv_fits(x, x.size(1), weight_.size(0))) GTEST_SKIP() << "this CPU has AMX";
  const auto found = all(x, gradient);
  const auto wide = all(x.to(at::kFloat), gradient.to(at::kFloat));
  for (std::size_t i = 0; i < found.size(); ++i) {
    const bool is_map = found[i].dim() == 4 && found[i].size(0) == x.size(0);
    EXPECT_EQ(found[i].scalar_type(), is_map ? at::kBFloat16 : at::kFloat) << i;
    EXPECT_TRUE(at::equal(found[i], wide[i].to(found[i].scalar_type()))) << i;
  }
}

// Reproducible training divides batches into micro-batches of any size.
TEST_P(SmallChannelConv, ImageDoesNotDependOnItsBatch) {
  const std::int64_t last = x_.size(0) - 1;
  const at::Tensor image = x_.narrow(0, last, 1).contiguous(kMapLayout);
  EXPECT_TRUE(at::equal(small_channel_conv(image, weight_, bias_)[0],
                        small_channel_conv(x_, weight_, bias_)[last]));
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, SmallChannelConv,
    ::testing::Values(SmallChannelCase{2, 3, 16, 8, 8}, SmallChannelCase{3, 1, 48, 7, 5},
                      SmallChannelCase{1, 3, 32, 1, 1}, SmallChannelCase{2, 1, 64, 28, 28},
                      SmallChannelCase{8, 3, 32, 64, 64}, SmallChannelCase{1, 3, 80, 9, 19},
                      SmallChannelCase{2, 16, 3, 8, 8}, SmallChannelCase{3, 48, 1, 7, 5},
                      SmallChannelCase{1, 32, 3, 1, 1}, SmallChannelCase{2, 64, 1, 28, 28},
                      SmallChannelCase{8, 32, 3, 64, 64}, SmallChannelCase{1, 80, 3, 9, 19},
                      SmallChannelCase{1, 16, 3, 40, 300}, SmallChannelCase{1, 1, 16, 40, 300}));

struct TransposedCase {
  std::int64_t batch, in, out, height, width;
};

class SmallChannelTransposedConv : public ::testing::TestWithParam<TransposedCase> {
 protected:
  void SetUp() override {
    const TransposedCase& c = GetParam();
    at::manual_seed(1);
    x_ = at::randn({c.batch, c.in, c.height, c.width}).contiguous(kMapLayout);
    weight_ = at::randn({c.in, c.out, 4, 4}) / std::sqrt(4.0 * static_cast<double>(c.in));
    bias_ = at::randn({c.out});
    if (!small_channel_conv_fits(x_, c.in, c.out)) GTEST_SKIP() << "this CPU has no AVX2";
  }
  at::Tensor x_, weight_, bias_;
};

TEST_P(SmallChannelTransposedConv, IsTheConvAndTheBias) {
  const at::Tensor exact =
      at::conv_transpose2d(x_.to(at::kDouble), weight_.to(at::kDouble), {}, {2, 2}, {1, 1});
  const at::Tensor y = small_channel_transposed_conv(x_, weight_, {});
  EXPECT_TRUE(y.is_contiguous(kMapLayout));
  EXPECT_LT((y.to(at::kDouble) - exact).abs().max().item<double>(), kSmallChannelTolerance);
  const at::Tensor shifted = small_channel_transposed_conv(x_, weight_, bias_);
  EXPECT_TRUE(at::equal(shifted, y + bias_.view({1, -1, 1, 1})));
}

TEST_P(SmallChannelTransposedConv, DoesNotDependOnThreadsBatchAndStrides) {
  const at::Tensor y = small_channel_transposed_conv(x_, weight_, bias_);
  testing::expect_same_for_any_threads(
      [&] { return std::vector<at::Tensor>{small_channel_transposed_conv(x_, weight_, bias_)}; });
  EXPECT_TRUE(
      at::equal(small_channel_transposed_conv(x_, weight_.contiguous(kMapLayout), bias_), y));
  const std::int64_t last = x_.size(0) - 1;
  const at::Tensor image = x_.narrow(0, last, 1).contiguous(kMapLayout);
  EXPECT_TRUE(at::equal(small_channel_transposed_conv(image, weight_, bias_)[0], y[last]));
}

TEST_P(SmallChannelTransposedConv, Bfloat16IsFloatRounded) {
  const at::Tensor x = x_.to(at::kBFloat16);
  if (!small_channel_conv_fits(x, x.size(1), weight_.size(1))) GTEST_SKIP() << "this CPU has AMX";
  EXPECT_TRUE(
      at::equal(small_channel_transposed_conv(x, weight_, bias_),
                small_channel_transposed_conv(x.to(at::kFloat), weight_, bias_).to(at::kBFloat16)));
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, SmallChannelTransposedConv,
    ::testing::Values(TransposedCase{2, 16, 3, 4, 4}, TransposedCase{3, 48, 1, 7, 5},
                      TransposedCase{1, 32, 3, 1, 1}, TransposedCase{8, 16, 3, 32, 32},
                      TransposedCase{1, 80, 3, 9, 19}, TransposedCase{2, 16, 1, 14, 14}));

TEST(SmallChannelConvFits, OneSideHasOneOrThreeChannelsTheOtherMultiplesOf16) {
  const at::Tensor x = at::zeros({1, 3, 4, 4}).contiguous(kMapLayout);
  const bool here = small_channel_conv_fits(x, 3, 16);
  EXPECT_EQ(small_channel_conv_fits(x, 32, 1), here);
  EXPECT_FALSE(small_channel_conv_fits(x, 3, 3));
  EXPECT_FALSE(small_channel_conv_fits(x, 3, 24));
  EXPECT_FALSE(small_channel_conv_fits(x, 2, 16));
  EXPECT_FALSE(small_channel_conv_fits(x, 16, 16));
  EXPECT_FALSE(small_channel_conv_fits(x.to(at::kDouble), 3, 16));
  EXPECT_FALSE(small_channel_conv_fits(at::zeros({1, 3, 4, 4}), 3, 16));
  EXPECT_FALSE(small_channel_conv_fits(x.narrow(0, 0, 0), 3, 16));
}

}  // namespace
}  // namespace valley::kernels
