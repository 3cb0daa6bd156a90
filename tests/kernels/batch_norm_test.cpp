#include "kernels/batch_norm.h"

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

constexpr double kTestEpsilon = 1e-5;

struct NormCase {
  std::int64_t batch, channels, height, width;
  double leak;
};

class BatchNormKernels : public ::testing::TestWithParam<NormCase> {
 protected:
  void SetUp() override {
    const NormCase& c = GetParam();
    at::manual_seed(1);
    const at::Tensor spread = at::rand({1, c.channels, 1, 1}) * 3 + 0.1;
    const at::Tensor mean = at::randn({1, c.channels, 1, 1}) * 5;
    x_ = (at::randn({c.batch, c.channels, c.height, c.width}) * spread + mean)
             .contiguous(kMapLayout);
    weight_ = at::randn({c.channels});
    bias_ = at::randn({c.channels});
    gradient_ = at::randn(x_.sizes()).contiguous(kMapLayout);
  }
  [[nodiscard]] std::vector<at::Tensor> all() const {
    const double leak = GetParam().leak;
    const NormedBatch n = batch_norm(x_, weight_, bias_, kTestEpsilon, leak);
    const NormGradients g =
        batch_norm_backward(gradient_, x_, weight_, bias_, n.mean, n.inverse_deviation, leak);
    return {n.y, n.mean, n.inverse_deviation, g.x, g.weight, g.bias};
  }

  at::Tensor x_, weight_, bias_, gradient_;
};

TEST_P(BatchNormKernels, ResultsAndGradientsMatchDoublePrecision) {
  const at::Tensor x = x_.to(at::kDouble).requires_grad_(true);
  const at::Tensor w = weight_.to(at::kDouble).requires_grad_(true);
  const at::Tensor b = bias_.to(at::kDouble).requires_grad_(true);
  const auto [normed, mean, inverse] =
      at::native_batch_norm(x, w, b, {}, {}, true, 0, kTestEpsilon);
  const at::Tensor y = at::leaky_relu(normed, GetParam().leak);
  const auto gradients = torch::autograd::grad({y}, {x, w, b}, {gradient_.to(at::kDouble)});
  const std::vector<at::Tensor> expected = {y.detach(),   mean.detach(), inverse.detach(),
                                            gradients[0], gradients[1],  gradients[2]};
  const std::vector<at::Tensor> found = all();
  EXPECT_TRUE(found[0].is_contiguous(kMapLayout));
  EXPECT_TRUE(found[3].is_contiguous(kMapLayout));
  for (std::size_t i = 0; i < found.size(); ++i) {
    const double scale = std::sqrt(expected[i].square().mean().item<double>());
    const double error = (found[i].to(at::kDouble) - expected[i]).abs().max().item<double>();
    EXPECT_LT(error, 2e-5 * scale) << i;
  }
}

TEST_P(BatchNormKernels, IsTheSameForAnyNumberOfThreads) {
  testing::expect_same_for_any_threads([&] { return all(); });
}

TEST_P(BatchNormKernels, Bfloat16IsFloatRounded) {
  x_ = x_.to(at::kBFloat16);
  gradient_ = gradient_.to(at::kBFloat16);
  const auto narrow = all();
  x_ = x_.to(at::kFloat);
  gradient_ = gradient_.to(at::kFloat);
  const auto wide = all();
  for (std::size_t i = 0; i < wide.size(); ++i)
    EXPECT_TRUE(at::equal(narrow[i], wide[i].to(narrow[i].scalar_type()))) << i;
}

TEST_P(BatchNormKernels, AcceptsGradientsInAnyLayout) {
  const auto before = all();
  gradient_ = gradient_.contiguous();
  EXPECT_TRUE(at::equal(all()[3], before[3]));
}

INSTANTIATE_TEST_SUITE_P(Shapes, BatchNormKernels,
                         ::testing::Values(NormCase{4, 16, 8, 8, 0}, NormCase{2, 3, 5, 7, 0.2},
                                           NormCase{16, 128, 4, 4, 1}, NormCase{3, 300, 3, 1, 0.2},
                                           NormCase{8, 32, 64, 64, 0}, NormCase{2, 1, 3, 1, 1}));

TEST(BatchNormFits, OnlyFilledMapsInChannelsLast) {
  const at::Tensor x = at::zeros({2, 5, 4, 4}).contiguous(kMapLayout);
  EXPECT_TRUE(batch_norm_fits(x));
  EXPECT_TRUE(batch_norm_fits(x.to(at::kBFloat16)));
  EXPECT_FALSE(batch_norm_fits(x.contiguous()));
  EXPECT_FALSE(batch_norm_fits(x.to(at::kDouble)));
  EXPECT_FALSE(batch_norm_fits(x.narrow(0, 0, 0)));
}

}  // namespace
}  // namespace valley::kernels
