#include "kernels/activations.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <limits>
#include <tuple>

#include "any_threads.h"
#include "kernels/conv_maps.h"

namespace valley::kernels {
namespace {

// Shape and type: few channels and many, sizes that are not multiples of a vector, work for several
// threads.
using ActivationCase = std::tuple<std::vector<std::int64_t>, at::ScalarType>;

class Activations : public ::testing::TestWithParam<ActivationCase> {
 protected:
  void SetUp() override {
    at::manual_seed(1);
    const auto& [shape, type] = GetParam();
    x_ = (4 * at::randn(shape)).to(type).contiguous(kMapLayout);
    grad_ = at::randn(shape).to(type).contiguous(kMapLayout);
    bias_ = at::randn({shape[1]});
    tolerance_ = type == at::kBFloat16 ? 8e-3 : 2e-7;
  }
  [[nodiscard]] at::Tensor activated() const {
    at::Tensor y = x_.clone();
    bias_elu_(y, bias_);
    return y;
  }
  at::Tensor x_, grad_, bias_;
  double tolerance_ = 0;
};

TEST_P(Activations, ForwardIsEluOfTheSum) {
  const at::Tensor expected = at::elu(x_.to(at::kDouble) + bias_.view({1, -1, 1, 1}));
  EXPECT_TRUE(at::allclose(activated().to(at::kDouble), expected, tolerance_, 3e-7));
}

TEST_P(Activations, BackwardIsTheSlopeAndItsSum) {
  const at::Tensor y = activated();
  const at::Tensor wide = y.to(at::kDouble);
  const at::Tensor expected =
      grad_.to(at::kDouble) * at::where(wide > 0, at::ones_like(wide), wide + 1);
  const at::Tensor sum = at::empty_like(bias_);
  const at::Tensor out = elu_backward(grad_, y, sum);
  EXPECT_EQ(out.scalar_type(), y.scalar_type());
  EXPECT_TRUE(at::allclose(out.to(at::kDouble), expected, tolerance_, 1e-7));
  EXPECT_TRUE(at::allclose(sum.to(at::kDouble), expected.sum({0, 2, 3}), 1e-5, 1e-4));
  EXPECT_TRUE(at::equal(elu_backward(grad_, y, {}), out));
}

TEST_P(Activations, BackwardOfLeakyReluIsItsSlopeAndItsSum) {
  for (const double leak : {0.0, 0.2}) {
    const at::Tensor y = at::leaky_relu(x_, leak);
    const at::Tensor wide = y.to(at::kDouble);
    const at::Tensor expected =
        grad_.to(at::kDouble) * at::where(wide > 0, at::ones_like(wide), at::full_like(wide, leak));
    const at::Tensor sum = at::empty_like(bias_);
    const at::Tensor out = leaky_backward(grad_, y, leak, sum);
    EXPECT_EQ(out.scalar_type(), y.scalar_type());
    EXPECT_TRUE(at::allclose(out.to(at::kDouble), expected, tolerance_, 1e-7));
    EXPECT_TRUE(at::allclose(sum.to(at::kDouble), expected.sum({0, 2, 3}), 1e-5, 1e-4));
    EXPECT_TRUE(at::equal(leaky_backward(grad_, y, leak, {}), out));
  }
}

TEST_P(Activations, AreTheSameForAnyNumberOfThreads) {
  testing::expect_same_for_any_threads([&] {
    const at::Tensor y = activated();
    const at::Tensor sum = at::empty_like(bias_);
    const at::Tensor out = elu_backward(grad_, y, sum);
    return std::vector<at::Tensor>{y, sum, out};
  });
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, Activations,
    ::testing::Combine(::testing::Values(std::vector<std::int64_t>{2, 3, 5, 7},
                                         std::vector<std::int64_t>{1, 1, 1, 1},
                                         std::vector<std::int64_t>{8, 32, 40, 40},
                                         std::vector<std::int64_t>{3, 700, 9, 1}),
                       ::testing::Values(at::kFloat, at::kBFloat16)));

TEST(BiasElu, HandlesNonFiniteAndLargeNegativeInputs) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    const at::Tensor y = at::tensor({nan, infinity, -infinity, -1e30F, 0.0F, 3.0F}).to(type);
    bias_elu_(y.view({6, 1, 1, 1}), at::zeros({1}));
    const at::Tensor found = y.to(at::kFloat);
    EXPECT_TRUE(found[0].isnan().item<bool>());
    EXPECT_TRUE(at::equal(found.narrow(0, 1, 5), at::tensor({infinity, -1.0F, -1.0F, 0.0F, 3.0F})));
  }
}

// Near 0, where the difference e^x - 1 loses digits.
TEST(BiasElu, IsExactNearZero) {
  const at::Tensor x = -at::logspace(-30, 0, 4096, 2.0, at::kFloat).view({4096, 1, 1, 1});
  const at::Tensor y = x.clone();
  bias_elu_(y, at::zeros({1}));
  const at::Tensor expected = at::expm1(x.to(at::kDouble));
  EXPECT_LT(((y.to(at::kDouble) - expected) / expected).abs().max().item<double>(), 3e-7);
}

TEST(EluBackward, AcceptsGradientsOfAnotherTypeAndLayout) {
  const at::Tensor y = at::randn({2, 8, 4, 4}).to(at::kBFloat16).contiguous(kMapLayout);
  const at::Tensor grad = at::randn({2, 8, 4, 4});
  const at::Tensor expected = elu_backward(grad.to(at::kBFloat16).contiguous(kMapLayout), y, {});
  EXPECT_TRUE(at::equal(elu_backward(grad, y, {}), expected));
  EXPECT_TRUE(at::equal(elu_backward(at::ones({}).expand({2, 8, 4, 4}), y, {}),
                        elu_backward(at::ones({2, 8, 4, 4}), y, {})));
}

}  // namespace
}  // namespace valley::kernels
