#include "kernels/winograd.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <tuple>

#include "any_threads.h"
#include "kernels/conv_maps.h"

namespace valley::kernels {
namespace {

struct WinogradCase {
  std::int64_t batch, in, out, height, width;
  bool upsamples;
};

class Winograd : public ::testing::TestWithParam<WinogradCase> {
 protected:
  void SetUp() override {
    const WinogradCase& c = GetParam();
    at::manual_seed(1);
    x_ = at::randn({c.batch, c.in, c.height, c.width}).contiguous(kMapLayout);
    weight_ = at::randn({c.out, c.in, 3, 3}) / std::sqrt(9.0 * static_cast<double>(c.in));
    bias_ = at::randn({c.out});
    if (!winograd_fits(x_, c.in, c.out)) GTEST_SKIP() << "this CPU has no AVX2";
    const at::Tensor x = x_.to(at::kDouble).requires_grad_(true);
    const at::Tensor w = weight_.to(at::kDouble).requires_grad_(true);
    const at::Tensor input =
        c.upsamples ? at::upsample_nearest2d(x, {2 * c.height, 2 * c.width}) : x;
    const at::Tensor y = at::conv2d(input, w, {}, {1, 1}, {1, 1});
    gradient_ = at::randn(y.sizes()).contiguous(kMapLayout);
    const auto gradients = torch::autograd::grad({y}, {x, w}, {gradient_.to(at::kDouble)});
    expected_ = {y.detach(), gradients[0], gradients[1]};
    direct_ = at::conv2d(input.to(at::kFloat).contiguous(kMapLayout), weight_, {}, {1, 1}, {1, 1});
  }

  // The largest error, in units of the result's standard deviation.
  static double error(const at::Tensor& found, const at::Tensor& expected) {
    EXPECT_EQ(found.sizes(), expected.sizes());
    return (found.to(at::kDouble) - expected).abs().max().item<double>() /
           std::sqrt(expected.square().mean().item<double>());
  }

  at::Tensor x_, weight_, bias_, gradient_, direct_;
  std::vector<at::Tensor> expected_;  // output, gradient of x, of weight; in double precision
};

// Bound on the maximum of up to a million errors; those of direct convolutions reach 1e-5.
constexpr double kWinogradTolerance = 1e-4;

TEST_P(Winograd, IsTheConv) {
  const at::Tensor y = winograd_conv(x_, weight_, {}, GetParam().upsamples);
  EXPECT_TRUE(y.is_contiguous(kMapLayout));
  const double found = error(y, expected_[0]);
  EXPECT_LT(found, kWinogradTolerance);
  // The rounding error stated in the header.
  RecordProperty("error_over_direct", std::to_string(found / error(direct_, expected_[0])));
}

TEST_P(Winograd, EluOfTheConvAndTheBias) {
  const at::Tensor y = winograd_conv(x_, weight_, bias_, GetParam().upsamples);
  EXPECT_LT(error(y, at::elu(expected_[0] + bias_.view({1, -1, 1, 1}))), kWinogradTolerance);
}

TEST_P(Winograd, GradientOfTheInput) {
  const at::Tensor g = winograd_input_gradient(gradient_, weight_, GetParam().upsamples);
  EXPECT_TRUE(g.is_contiguous(kMapLayout));
  EXPECT_LT(error(g, expected_[1]), kWinogradTolerance);
}

TEST_P(Winograd, GradientOfTheWeight) {
  EXPECT_LT(error(winograd_weight_gradient(gradient_, x_, GetParam().upsamples), expected_[2]),
            kWinogradTolerance);
}

TEST_P(Winograd, AcceptsWeightsOfAnyStrides) {
  const bool upsamples = GetParam().upsamples;
  const at::Tensor strided = weight_.contiguous(kMapLayout);
  EXPECT_TRUE(at::equal(winograd_conv(x_, strided, bias_, upsamples),
                        winograd_conv(x_, weight_, bias_, upsamples)));
  EXPECT_TRUE(at::equal(winograd_input_gradient(gradient_, strided, upsamples),
                        winograd_input_gradient(gradient_, weight_, upsamples)));
}

TEST_P(Winograd, IsTheSameForAnyNumberOfThreads) {
  const bool upsamples = GetParam().upsamples;
  testing::expect_same_for_any_threads([&] {
    return std::vector<at::Tensor>{winograd_conv(x_, weight_, bias_, upsamples),
                                   winograd_input_gradient(gradient_, weight_, upsamples),
                                   winograd_weight_gradient(gradient_, x_, upsamples)};
  });
}

// Only inputs and outputs are rounded.
TEST_P(Winograd, Bfloat16IsFloatRounded) {
  const bool upsamples = GetParam().upsamples;
  const at::Tensor x = x_.to(at::kBFloat16);
  const at::Tensor gradient = gradient_.to(at::kBFloat16);
  if (!winograd_fits(x, x.size(1), weight_.size(0))) GTEST_SKIP() << "this CPU has AMX";
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor wide_gradient = gradient.to(at::kFloat);
  EXPECT_TRUE(at::equal(winograd_conv(x, weight_, bias_, upsamples),
                        winograd_conv(wide, weight_, bias_, upsamples).to(at::kBFloat16)));
  EXPECT_TRUE(
      at::equal(winograd_input_gradient(gradient, weight_, upsamples),
                winograd_input_gradient(wide_gradient, weight_, upsamples).to(at::kBFloat16)));
  EXPECT_TRUE(at::equal(winograd_weight_gradient(gradient, x, upsamples),
                        winograd_weight_gradient(wide_gradient, wide, upsamples)));
}

// Reproducible training divides batches into micro-batches of any size.
TEST_P(Winograd, ImageDoesNotDependOnItsBatch) {
  const bool upsamples = GetParam().upsamples;
  const at::Tensor last = x_.narrow(0, x_.size(0) - 1, 1).contiguous(kMapLayout);
  EXPECT_TRUE(at::equal(winograd_conv(last, weight_, bias_, upsamples)[0],
                        winograd_conv(x_, weight_, bias_, upsamples)[x_.size(0) - 1]));
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, Winograd,
    ::testing::Values(WinogradCase{2, 16, 16, 8, 8, false}, WinogradCase{3, 32, 48, 7, 5, false},
                      WinogradCase{1, 16, 32, 1, 1, false}, WinogradCase{2, 128, 64, 14, 14, false},
                      WinogradCase{8, 32, 32, 64, 64, false},
                      WinogradCase{1, 160, 16, 9, 10, false}, WinogradCase{2, 16, 16, 4, 4, true},
                      WinogradCase{3, 48, 32, 7, 5, true}, WinogradCase{1, 32, 16, 1, 1, true},
                      WinogradCase{2, 128, 64, 8, 8, true}, WinogradCase{8, 32, 32, 32, 32, true}));

TEST(WinogradFits, RequiresMultiplesOf16ChannelsInChannelsLast) {
  const at::Tensor x = at::zeros({1, 16, 4, 4}).contiguous(kMapLayout);
  const bool here = winograd_fits(x, 16, 16);
  EXPECT_EQ(winograd_fits(x, 16, 32), here);
  EXPECT_FALSE(winograd_fits(x, 16, 3));
  EXPECT_FALSE(winograd_fits(x, 8, 16));
  EXPECT_FALSE(winograd_fits(x.to(at::kHalf), 16, 16));
  EXPECT_FALSE(winograd_fits(at::zeros({1, 16, 4, 4}), 16, 16));
  EXPECT_FALSE(winograd_fits(x.narrow(0, 0, 0), 16, 16));
}

}  // namespace
}  // namespace valley::kernels
