// Valley's 3x3 convs against LibTorch's, alone and in the EBM.
#include "nn/conv3x3.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "kernels/device.h"
#include "methods/ebm/energy_model.h"
#include "methods/registry.h"
#include "nn/model.h"

namespace valley {
namespace {

struct Conv {
  at::Tensor x, weight, bias;
};

Conv make_conv(std::int64_t in, std::int64_t out, std::int64_t size, at::ScalarType type) {
  at::manual_seed(3);
  return {at::randn({3, in, size, size}).to(type).contiguous(at::MemoryFormat::ChannelsLast),
          at::randn({out, in, 3, 3}) * 0.1, at::randn({out})};
}

struct Outcome {
  at::Tensor y, of_x, of_weight, of_bias;
};

template <typename Function>
Outcome differentiate(const Conv& c, const Function& function) {
  const at::Tensor x = c.x.detach().clone(at::MemoryFormat::Preserve).set_requires_grad(true);
  const at::Tensor w = c.weight.detach().clone().set_requires_grad(true);
  const at::Tensor b = c.bias.detach().clone().set_requires_grad(true);
  const at::Tensor y = function(x, w, b);
  // Gradient of a sum of squares, which is not channels_last.
  (y.to(at::kFloat).contiguous() * y.to(at::kFloat).contiguous()).sum().backward();
  return {y.detach(), x.grad(), w.grad(), b.grad()};
}

double relative_error(const at::Tensor& got, const at::Tensor& expected) {
  const at::Tensor a = got.to(at::kDouble);
  const at::Tensor b = expected.to(at::kDouble);
  return ((a - b).norm() / b.norm()).item<double>();
}

TEST(Conv3x3, MatchesLibTorchInResultsAndGradients) {
  const ComputeOptions compute;
  int taken = 0;
  for (const auto& [in, out] : {std::pair{16, 32}, {32, 16}, {3, 16}, {1, 32}}) {
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
      const Conv c = make_conv(in, out, 11, type);
      if (!has_conv3x3(c.x, in, out, compute)) continue;
      ++taken;
      const Outcome got = differentiate(c, [&](const auto& x, const auto& w, const auto& b) {
        return apply_conv3x3(x, w, b, compute);
      });
      const Outcome expected = differentiate(c, [](const auto& x, const auto& w, const auto& b) {
        return at::conv2d(x.to(at::kFloat), w, b, 1, 1);
      });
      const double bound = type == at::kFloat ? 1e-5 : 2e-2;
      SCOPED_TRACE(std::to_string(in) + " to " + std::to_string(out));
      EXPECT_EQ(got.y.scalar_type(), type);
      EXPECT_TRUE(got.y.is_contiguous(at::MemoryFormat::ChannelsLast));
      EXPECT_LT(relative_error(got.y, expected.y), bound);
      EXPECT_LT(relative_error(got.of_x, expected.of_x), bound);
      EXPECT_LT(relative_error(got.of_weight, expected.of_weight), bound);
      EXPECT_LT(relative_error(got.of_bias, expected.of_bias), bound);
    }
  }
  if (taken == 0) GTEST_SKIP() << "a CPU without AVX2";
}

TEST(Conv3x3, DoesNotSupportOtherChannelCounts) {
  ComputeOptions compute;
  EXPECT_FALSE(has_conv3x3(make_conv(6, 6, 8, at::kFloat).x, 6, 6, compute));
  compute.winograd = false;
  EXPECT_FALSE(has_conv3x3(make_conv(16, 16, 8, at::kFloat).x, 16, 16, compute));
}

class EbmWithConv3x3 : public ::testing::Test {
 protected:
  EbmWithConv3x3() {
    set_arithmetic({Precision::kFp32, true, 1});
    ModelOptions options;
    options.name = "ebm";
    options.resolution = 32;
    options.width = 16;
    model_ = make_model(options);
    model_->initialize(4);
    at::manual_seed(5);
    x_ = at::rand({4, 3, 32, 32}).contiguous(at::MemoryFormat::ChannelsLast);
  }
  [[nodiscard]] const EnergyNetwork& network() const {
    return dynamic_cast<const EnergyModel&>(*model_).energy();
  }
  [[nodiscard]] at::Tensor gradient() const {
    const at::Tensor x = x_.detach().clone(at::MemoryFormat::Preserve).set_requires_grad(true);
    network().energy(x).sum().backward();
    return x.grad();
  }

  std::unique_ptr<Model> model_;
  at::Tensor x_;
};

TEST_F(EbmWithConv3x3, MatchesLibTorchInEnergiesAndGradients) {
  network().parameters().require_grad(false);
  const at::Tensor energies = network().energy(x_);
  const at::Tensor slope = gradient();
  network().compute().winograd = false;
  network().compute().narrow_convs = false;
  EXPECT_LT(relative_error(energies, network().energy(x_)), 1e-5);
  EXPECT_LT(relative_error(slope, gradient()), 1e-4);
}

TEST_F(EbmWithConv3x3, IsBitwiseEqualWithFixedWeights) {
  network().parameters().require_grad(false);
  const at::Tensor slope = gradient();
  network().fix_weights(true);
  EXPECT_TRUE(at::equal(gradient(), slope));
  // Afterwards the normalized weights follow the parameters again.
  network().fix_weights(false);
  network().parameters().all().front().value.mul_(1.5);
  network().end_step(1);
  EXPECT_FALSE(at::equal(gradient(), slope));
}

}  // namespace
}  // namespace valley
