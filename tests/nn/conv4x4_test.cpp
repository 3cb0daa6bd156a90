// Valley's 4x4 convs with stride 2 against LibTorch's, alone and in networks.
#include "nn/conv4x4.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kernels/device.h"
#include "methods/adversarial/autoencoder_gan.h"
#include "methods/registry.h"
#include "nn/conv_stack.h"
#include "nn/model.h"

namespace valley {
namespace {

double relative(const at::Tensor& got, const at::Tensor& expected) {
  const at::Tensor a = got.to(at::kDouble);
  const at::Tensor b = expected.to(at::kDouble);
  return ((a - b).norm() / b.norm()).item<double>();
}

struct StridedLayer {
  StridedLayer(const ConvShape& shape, bool has_bias)
      : conv(set, "conv", shape, Initializer::normal(0.1), has_bias) {
    set.initialize(7, "");
    if (has_bias) set.all()[1].value.normal_();
  }
  ParameterSet set;
  Conv2d conv;
};

template <typename Layer>
std::vector<at::Tensor> outcome(const StridedLayer& l, const at::Tensor& from, const Layer& layer) {
  l.set.require_grad(true);
  for (const auto& p : l.set.all()) p.value.mutable_grad() = at::Tensor();
  const at::Tensor x = from.detach().clone(at::MemoryFormat::Preserve).set_requires_grad(true);
  const at::Tensor y = layer(x);
  // Gradient of a sum of squares, which is not channels_last.
  (y.to(at::kFloat).contiguous() * y.to(at::kFloat).contiguous()).sum().backward();
  std::vector<at::Tensor> found = {y.detach(), x.grad()};
  for (const auto& p : l.set.all()) found.push_back(p.value.grad());
  return found;
}

TEST(Conv4x4, MatchesLibTorchInResultsAndGradients) {
  const ComputeOptions compute;
  int taken = 0;
  for (const ConvShape& shape : {halving(16, 32), doubling(32, 16), halving(3, 16), doubling(16, 3),
                                 halving(1, 16), doubling(16, 1)}) {
    for (const bool has_bias : {false, true}) {
      for (const double leak : {1.0, 0.2, 0.0}) {
        for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
          const StridedLayer l(shape, has_bias);
          at::manual_seed(3);
          const at::Tensor x =
              at::randn({3, shape.in, 10, 8}).to(type).contiguous(at::MemoryFormat::ChannelsLast);
          if (!has_conv4x4(x, shape, compute)) continue;
          ++taken;
          const auto got = outcome(l, x, [&](const at::Tensor& at_x) {
            return apply_conv4x4(at_x, l.conv, leak, compute);
          });
          const auto expected = outcome(l, x, [&](const at::Tensor& at_x) {
            return at::leaky_relu(l.conv(at_x.to(at::kFloat)), leak);
          });
          SCOPED_TRACE(std::to_string(shape.in) + " to " + std::to_string(shape.out));
          EXPECT_EQ(got[0].scalar_type(), type);
          EXPECT_TRUE(got[0].is_contiguous(at::MemoryFormat::ChannelsLast));
          ASSERT_EQ(got.size(), expected.size());
          for (std::size_t i = 0; i < got.size(); ++i)
            EXPECT_LT(relative(got[i], expected[i]), type == at::kFloat ? 1e-5 : 3e-2) << i;
        }
      }
    }
  }
  if (taken == 0) GTEST_SKIP() << "a CPU without AVX2";
}

TEST(Conv4x4, DoesNotSupportOtherShapes) {
  ComputeOptions compute;
  const at::Tensor x = at::zeros({2, 16, 8, 8}).contiguous(at::MemoryFormat::ChannelsLast);
  EXPECT_FALSE(has_conv4x4(x, {16, 16, 3, 1, 1}, compute));
  EXPECT_FALSE(has_conv4x4(x, {16, 16, 4, 1, 0}, compute));
  EXPECT_FALSE(has_conv4x4(x, halving(16, 24), compute));
  compute.winograd = false;
  EXPECT_FALSE(has_conv4x4(x, halving(16, 16), compute));
  compute.narrow_convs = false;
  EXPECT_FALSE(has_conv4x4(x, doubling(16, 3), compute));
}

// Other inputs use LibTorch's transposed conv, the reference here.
TEST(Unfolding, MatchesTransposedConvOf1x1Maps) {
  for (const bool has_bias : {false, true}) {
    const StridedLayer l(unfolding(10, 6, 4), has_bias);
    at::manual_seed(3);
    const at::Tensor z = at::randn({5, 10, 1, 1});
    const auto got = outcome(l, z, [&](const at::Tensor& x) { return l.conv(x); });
    const auto expected = outcome(l, z, [&](const at::Tensor& x) {
      return at::conv_transpose2d(x, l.conv.weight(), l.conv.bias());
    });
    EXPECT_TRUE(got[0].is_contiguous(at::MemoryFormat::ChannelsLast));
    for (std::size_t i = 0; i < got.size(); ++i)
      EXPECT_LT(relative(got[i], expected[i]), 1e-6) << i;
  }
}

class StackedNetworks : public ::testing::TestWithParam<std::string> {};

TEST_P(StackedNetworks, MatchLibTorchInResultsAndGradients) {
  set_arithmetic({Precision::kFp32, true, 1});
  ModelOptions options;
  options.name = GetParam();
  options.resolution = 32;
  options.width = 16;
  options.batch_norm = options.name == "ebgan";
  const auto model = make_model(options);
  model->initialize(4);
  const auto& gan = dynamic_cast<const AutoencoderGan&>(*model);
  at::manual_seed(5);
  const at::Tensor z = at::rand({4, options.latent}) * 2 - 1;
  const auto pass = [&](bool own) {
    std::vector<at::Tensor> found;
    for (const Network* network : {static_cast<const Network*>(&gan.generator()),
                                   static_cast<const Network*>(&gan.discriminator())}) {
      network->context().batch_statistics = true;
      network->compute().winograd = own;
      network->compute().narrow_convs = own;
      network->parameters().require_grad(true);
      for (const auto& p : network->parameters().all()) p.value.mutable_grad() = at::Tensor();
    }
    const at::Tensor image = gan.generator().generate(z);
    const at::Tensor again = gan.discriminator().reconstruct(image);
    (again - image).square().mean().backward();
    found = {image.detach(), again.detach()};
    for (const auto& p : gan.generator().parameters().all()) found.push_back(p.value.grad());
    for (const auto& p : gan.discriminator().parameters().all()) found.push_back(p.value.grad());
    return found;
  };
  const auto own = pass(true);
  const auto plain = pass(false);
  ASSERT_EQ(own.size(), plain.size());
  for (std::size_t i = 0; i < own.size(); ++i) EXPECT_LT(relative(own[i], plain[i]), 1e-3) << i;
}

INSTANTIATE_TEST_SUITE_P(Models, StackedNetworks, ::testing::Values("ebgan", "magan"));

}  // namespace
}  // namespace valley
