#include "kernels/strided_conv.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "any_threads.h"
#include "kernels/conv_maps.h"

namespace valley::kernels {
namespace {

// Channels of the large map and of the small one, whose size is given.
struct StridedCase {
  std::int64_t batch, large, small, height, width;
};

class StridedConvs : public ::testing::TestWithParam<StridedCase> {
 protected:
  void SetUp() override {
    const StridedCase& c = GetParam();
    at::manual_seed(1);
    large_ = at::randn({c.batch, c.large, 2 * c.height, 2 * c.width}).contiguous(kMapLayout);
    small_ = at::randn({c.batch, c.small, c.height, c.width}).contiguous(kMapLayout);
    weight_ = at::randn({c.small, c.large, 4, 4}) / std::sqrt(16.0 * static_cast<double>(c.large));
    large_bias_ = at::randn({c.large});
    small_bias_ = at::randn({c.small});
    if (!strided_conv_fits(large_, c.small, false)) GTEST_SKIP() << "this CPU has no AVX2";
    ASSERT_TRUE(strided_conv_fits(small_, c.large, true));
    const at::Tensor w = weight_.to(at::kDouble).requires_grad_(true);
    const at::Tensor y = at::conv2d(large_.to(at::kDouble), w, {}, {2, 2}, {1, 1});
    down_ = y.detach();
    gradient_ = torch::autograd::grad({y}, {w}, {small_.to(at::kDouble)})[0];
    up_ = at::conv_transpose2d(small_.to(at::kDouble), w.detach(), {}, {2, 2}, {1, 1});
  }

  // The largest error, in units of the result's standard deviation.
  static double error(const at::Tensor& found, const at::Tensor& expected) {
    EXPECT_EQ(found.sizes(), expected.sizes());
    return (found.to(at::kDouble) - expected).abs().max().item<double>() /
           std::sqrt(expected.square().mean().item<double>());
  }
  [[nodiscard]] std::vector<at::Tensor> all() const {
    return {strided_conv(large_, weight_, small_bias_, 0.2, false),
            strided_conv(small_, weight_, large_bias_, 0, true),
            strided_conv_weight_gradient(large_, small_)};
  }

  at::Tensor large_, small_, weight_, large_bias_, small_bias_;
  at::Tensor down_, up_, gradient_;  // in double precision
};

// Bound on the maximum of up to a million errors; those of direct convolutions reach 1e-5.
constexpr double kStridedTolerance = 5e-5;

TEST_P(StridedConvs, IsTheConv) {
  const at::Tensor y = strided_conv(large_, weight_, {}, 1, false);
  EXPECT_TRUE(y.is_contiguous(kMapLayout));
  EXPECT_LT(error(y, down_), kStridedTolerance);
}

TEST_P(StridedConvs, IsTheTransposedConv) {
  const at::Tensor y = strided_conv(small_, weight_, {}, 1, true);
  EXPECT_TRUE(y.is_contiguous(kMapLayout));
  EXPECT_LT(error(y, up_), kStridedTolerance);
}

TEST_P(StridedConvs, BiasAndLeakyReluFollow) {
  const std::vector<at::Tensor> found = all();
  EXPECT_LT(error(found[0], at::leaky_relu(down_ + small_bias_.view({1, -1, 1, 1}), 0.2)),
            kStridedTolerance);
  EXPECT_LT(error(found[1], at::relu(up_ + large_bias_.view({1, -1, 1, 1}))), kStridedTolerance);
}

TEST_P(StridedConvs, NaNIsPropagated) {
  large_[0][0][2][2] = std::nan("");
  const at::Tensor y = strided_conv(large_, weight_, small_bias_, 0, false);
  EXPECT_TRUE(y[0][0][1][1].isnan().item<bool>());
}

TEST_P(StridedConvs, GradientOfTheWeight) {
  EXPECT_LT(error(strided_conv_weight_gradient(large_, small_), gradient_), kStridedTolerance);
}

TEST_P(StridedConvs, AcceptsWeightsOfAnyStrides) {
  const std::vector<at::Tensor> plain = all();
  weight_ = weight_.contiguous(kMapLayout);
  const std::vector<at::Tensor> strided = all();
  for (std::size_t i = 0; i < plain.size(); ++i) EXPECT_TRUE(at::equal(plain[i], strided[i])) << i;
}

TEST_P(StridedConvs, IsTheSameForAnyNumberOfThreads) {
  testing::expect_same_for_any_threads([&] { return all(); });
}

// Only inputs and outputs are rounded.
TEST_P(StridedConvs, Bfloat16IsFloatRounded) {
  large_ = large_.to(at::kBFloat16);
  small_ = small_.to(at::kBFloat16);
  if (!strided_conv_fits(large_, weight_.size(0), false)) GTEST_SKIP() << "this CPU has AMX";
  const std::vector<at::Tensor> narrow = all();
  large_ = large_.to(at::kFloat);
  small_ = small_.to(at::kFloat);
  const std::vector<at::Tensor> wide = all();
  for (std::size_t i = 0; i < wide.size(); ++i)
    EXPECT_TRUE(at::equal(narrow[i], wide[i].to(narrow[i].scalar_type()))) << i;
}

// Reproducible training divides batches into micro-batches of any size.
TEST_P(StridedConvs, ImageDoesNotDependOnItsBatch) {
  const std::int64_t last = large_.size(0) - 1;
  const std::vector<at::Tensor> before = all();
  large_ = large_.narrow(0, last, 1).contiguous(kMapLayout);
  small_ = small_.narrow(0, last, 1).contiguous(kMapLayout);
  const std::vector<at::Tensor> alone = all();
  EXPECT_TRUE(at::equal(alone[0][0], before[0][last]));
  EXPECT_TRUE(at::equal(alone[1][0], before[1][last]));
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, StridedConvs,
    ::testing::Values(StridedCase{2, 16, 16, 4, 4}, StridedCase{3, 32, 48, 7, 5},
                      StridedCase{1, 16, 32, 3, 3}, StridedCase{16, 64, 128, 4, 4},
                      StridedCase{5, 48, 16, 9, 10}, StridedCase{8, 16, 32, 32, 32},
                      StridedCase{2, 112, 80, 5, 6}, StridedCase{11, 64, 144, 8, 8},
                      StridedCase{1, 80, 112, 3, 4}));

TEST(StridedConvFits, RequiresMultiplesOf16ChannelsInChannelsLast) {
  const at::Tensor x = at::zeros({1, 16, 8, 8}).contiguous(kMapLayout);
  const bool here = strided_conv_fits(x, 16, false);
  EXPECT_EQ(strided_conv_fits(x, 32, true), here);
  EXPECT_FALSE(strided_conv_fits(x, 3, true));
  EXPECT_FALSE(strided_conv_fits(x.to(at::kHalf), 16, false));
  EXPECT_FALSE(strided_conv_fits(at::zeros({1, 16, 8, 8}), 16, false));
  EXPECT_FALSE(strided_conv_fits(x.narrow(0, 0, 0), 16, false));
  const at::Tensor odd = at::zeros({1, 16, 7, 8}).contiguous(kMapLayout);
  EXPECT_FALSE(strided_conv_fits(odd, 16, false));
  EXPECT_EQ(strided_conv_fits(odd, 16, true), here);
  EXPECT_FALSE(strided_conv_fits(at::zeros({1, 16, 4, 4}).contiguous(kMapLayout), 16, false));
}

}  // namespace
}  // namespace valley::kernels
