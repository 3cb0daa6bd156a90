#include "nn/image_conv.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>

#include <utility>
#include <vector>

#include "kernels/conv_maps.h"
#include "kernels/narrow_conv.h"

namespace valley {
namespace {

// An initialized layer and an input.
struct Setting {
  Setting(std::int64_t in, std::int64_t out) : conv(conv3x3(set, "output", in, out)) {
    at::manual_seed(4);
    conv.weight().detach().normal_();
    conv.bias().detach().normal_();
    set.require_grad(true);
    x = at::randn({3, in, 9, 10}).contiguous(kernels::kMapLayout);
  }

  ParameterSet set{at::kCPU};
  Conv2d conv;
  at::Tensor x;
};

// Output and gradients of x, weight and bias; the output's gradient not in channels_last.
std::vector<at::Tensor> differentiated(const at::Tensor& y, const at::Tensor& x,
                                       const at::Tensor& weight, const at::Tensor& bias) {
  at::manual_seed(5);
  const at::Tensor gradient = at::randn(y.sizes()).to(y.scalar_type());
  auto all = torch::autograd::grad({y}, {x, weight, bias}, {gradient});
  all.insert(all.begin(), y.detach());
  return all;
}

class ImageConv : public ::testing::TestWithParam<std::pair<std::int64_t, std::int64_t>> {
 protected:
  // Compares with double precision.
  static void expect_conv(at::ScalarType type, double tolerance) {
    const Setting s(GetParam().first, GetParam().second);
    const at::Tensor x = s.x.to(type).requires_grad_(true);
    const auto found = differentiated(image_conv(s.conv, x), x, s.conv.weight(), s.conv.bias());
    const auto exact = [](const at::Tensor& t) {
      return t.detach().to(at::kDouble).requires_grad_(true);
    };
    const at::Tensor wide = exact(s.x);
    const at::Tensor weight = exact(s.conv.weight());
    const at::Tensor bias = exact(s.conv.bias());
    const auto expected =
        differentiated(at::conv2d(wide, weight, bias, {1, 1}, {1, 1}), wide, weight, bias);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(found[i].sizes(), expected[i].sizes()) << i;
      EXPECT_EQ(found[i].scalar_type(), i < 2 ? type : at::kFloat) << i;
      const double off = (found[i].to(at::kDouble) - expected[i]).abs().max().item<double>();
      EXPECT_LT(off, tolerance * expected[i].abs().max().item<double>()) << i;
    }
  }
};

TEST_P(ImageConv, MatchesConv) { expect_conv(at::kFloat, 1e-6); }
TEST_P(ImageConv, MatchesConvInBfloat16UpToRounding) { expect_conv(at::kBFloat16, 2e-2); }

// 5, 8 and 4 use LibTorch's conv.
INSTANTIATE_TEST_SUITE_P(Shapes, ImageConv,
                         ::testing::Values(std::pair{16, 3}, std::pair{32, 1}, std::pair{5, 3},
                                           std::pair{8, 1}, std::pair{16, 4}));

TEST(ImageConv, ComputesOnlyRequestedGradients) {
  const Setting s(16, 3);
  const at::Tensor x = s.x.requires_grad_(true);
  s.set.require_grad(false);
  const at::Tensor of_x = torch::autograd::grad({image_conv(s.conv, x).sum()}, {x})[0];
  EXPECT_GT(of_x.abs().sum().item<double>(), 0);
  EXPECT_FALSE(image_conv(s.conv, x.detach()).requires_grad());
}

// The name of the autograd node shows which kernel ran.
TEST(ImageConv, UsesOwnKernelWhereSupported) {
  const Setting s(16, 3);
  if (!kernels::small_channel_conv_fits(s.x, 16, 3)) GTEST_SKIP() << "this CPU has no AVX2";
  EXPECT_NE(image_conv(s.conv, s.x).grad_fn()->name().find("ImageConv"), std::string::npos);
  const Setting other(8, 3);
  EXPECT_EQ(image_conv(other.conv, other.x).grad_fn()->name().find("ImageConv"), std::string::npos);
}

}  // namespace
}  // namespace valley
