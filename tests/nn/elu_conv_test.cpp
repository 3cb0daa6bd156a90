#include "nn/elu_conv.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <string>
#include <tuple>
#include <vector>

#include "kernels/conv_maps.h"
#include "methods/adversarial/autoencoder_gan.h"
#include "methods/registry.h"
#include "nn/model.h"

namespace valley {
namespace {

at::Tensor plain(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                 const EluConvShape& shape) {
  const at::Tensor input =
      shape.upsamples ? at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)}) : x;
  return at::elu(at::conv2d(input, weight, bias, {shape.stride, shape.stride}, {1, 1}));
}

// Without a bf16 copy.
at::Tensor own(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
               const EluConvShape& shape) {
  return elu_conv(x, weight, bias, shape);
}

struct Case {
  std::int64_t batch, in, out, height, width;
  EluConvShape shape;
};

class EluConv : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    at::manual_seed(2);
    const Case& c = GetParam();
    x_ = at::randn({c.batch, c.in, c.height, c.width}).contiguous(kernels::kMapLayout);
    weight_ = at::randn({c.out, c.in, 3, 3}) / std::sqrt(9.0 * static_cast<double>(c.in));
    bias_ = at::randn({c.out}) * 0.1;
  }

  // Output and gradients of x, weight and bias, by `conv`, in `type`.
  template <typename Conv>
  [[nodiscard]] std::vector<at::Tensor> differentiated(const Conv& conv,
                                                       at::ScalarType type) const {
    const at::Tensor x = x_.to(type).requires_grad_(true);
    const auto kept = type == at::kBFloat16 ? at::kFloat : type;
    const at::Tensor weight = weight_.to(kept).detach().requires_grad_(true);
    const at::Tensor bias = bias_.to(kept).detach().requires_grad_(true);
    const at::Tensor y = conv(x, weight, bias, GetParam().shape);
    at::manual_seed(3);
    const at::Tensor grad = at::randn(y.sizes()).to(type);
    auto all = torch::autograd::grad({y}, {x, weight, bias}, {grad});
    all.insert(all.begin(), y.detach());
    return all;
  }

  void expect_close(const std::vector<at::Tensor>& found, double tolerance) const {
    const std::vector<at::Tensor> expected = differentiated(plain, at::kDouble);
    const char* names[] = {"output", "gradient of x", "gradient of weight", "gradient of bias"};
    for (std::size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(found[i].sizes(), expected[i].sizes()) << names[i];
      const double off = (found[i].to(at::kDouble) - expected[i]).abs().max().item<double>();
      EXPECT_LT(off, tolerance * expected[i].abs().max().item<double>()) << names[i];
    }
  }

  at::Tensor x_, weight_, bias_;
};

TEST_P(EluConv, MatchesConvBiasAndElu) {
  const auto direct = [](const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                         EluConvShape shape) {
    shape.winograd = false;
    shape.narrow = false;
    return elu_conv(x, weight, bias, shape);
  };
  const std::vector<at::Tensor> found = differentiated(direct, at::kFloat);
  EXPECT_TRUE(found[0].is_contiguous(kernels::kMapLayout));
  expect_close(found, 3e-6);
  expect_close(differentiated(own, at::kFloat), 5e-5);  // see winograd_test.cpp
}

TEST_P(EluConv, MatchesFloatInBfloat16UpToRounding) {
  const std::vector<at::Tensor> found = differentiated(own, at::kBFloat16);
  EXPECT_EQ(found[0].scalar_type(), at::kBFloat16);
  EXPECT_EQ(found[2].scalar_type(), at::kFloat);
  EXPECT_EQ(found[3].scalar_type(), at::kFloat);
  expect_close(found, 2e-2);
}

TEST_P(EluConv, ComputesOnlyRequestedGradients) {
  const at::Tensor x = x_.detach().requires_grad_(true);
  const at::Tensor y = elu_conv(x, weight_, bias_, GetParam().shape);
  const auto x_grad = torch::autograd::grad({y.sum()}, {x});
  EXPECT_GT(x_grad[0].abs().sum().item<double>(), 0);
  const at::Tensor weight = weight_.detach().requires_grad_(true);
  const at::Tensor z = elu_conv(x_.detach(), weight, bias_, GetParam().shape);
  EXPECT_GT(torch::autograd::grad({z.sum()}, {weight})[0].abs().sum().item<double>(), 0);
  EXPECT_FALSE(elu_conv(x_, weight_, bias_, GetParam().shape).requires_grad());
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, EluConv,
    ::testing::Values(Case{2, 3, 8, 9, 7, {1, false}}, Case{2, 3, 16, 9, 7, {1, false}},
                      Case{3, 1, 32, 8, 8, {1, false}}, Case{2, 3, 16, 8, 8, {2, false}},
                      Case{2, 3, 16, 4, 4, {1, true}}, Case{2, 16, 32, 8, 8, {2, false}},
                      Case{3, 32, 32, 16, 16, {1, false}}, Case{2, 32, 48, 14, 14, {1, false}},
                      Case{1, 64, 32, 5, 6, {1, false}}, Case{2, 8, 5, 4, 6, {1, true}},
                      Case{2, 64, 32, 8, 8, {1, true}}, Case{2, 32, 32, 7, 7, {1, true}}));

TEST(FoldUpsampling, MatchesUpsamplingAndConvInDoublePrecision) {
  at::manual_seed(4);
  const at::Tensor x = at::randn({2, 5, 6, 7}, at::kDouble).requires_grad_(true);
  const at::Tensor w = at::randn({4, 5, 3, 3}, at::kDouble).requires_grad_(true);
  const at::Tensor expected =
      at::conv2d(at::upsample_nearest2d(x, {12, 14}), w, {}, {1, 1}, {1, 1});
  const at::Tensor folded = at::conv_transpose2d(x, fold_upsampling(w), {}, {2, 2}, {1, 1});
  EXPECT_LT((folded - expected).abs().max().item<double>(), 1e-12);
  const at::Tensor grad = at::randn(expected.sizes(), at::kDouble);
  const auto of_expected = torch::autograd::grad({expected}, {x, w}, {grad});
  const auto of_folded = torch::autograd::grad({folded}, {x, w}, {grad});
  for (std::size_t i = 0; i < 2; ++i)
    EXPECT_LT((of_folded[i] - of_expected[i]).abs().max().item<double>(), 1e-12) << i;
}

TEST(FoldUpsampling, UnfoldIsTheAdjoint) {
  at::manual_seed(5);
  const at::Tensor w = at::randn({4, 5, 3, 3}, at::kDouble);
  const at::Tensor g = at::randn({5, 4, 4, 4}, at::kDouble);
  const double left = (fold_upsampling(w) * g).sum().item<double>();
  const double right = (w * unfold_upsampling(g)).sum().item<double>();
  EXPECT_NEAR(left, right, 1e-12 * std::abs(left) + 1e-12);
}

// For all convolutional models: outputs with bfloat16 inside are float and close to those in float.
TEST(Compute, Bfloat16ChangesOnlyTheRounding) {
  for (const char* name : {"began", "ebgan", "magan"}) {
    ModelOptions o;
    o.name = name;
    o.resolution = 32;
    o.width = 16;
    o.skip_connections = std::string(name) == "began";
    o.batch_norm = std::string(name) == "ebgan";
    const auto model = make_model(o);
    model->initialize(3);
    const auto& gan = dynamic_cast<const AutoencoderGan&>(*model);
    const at::Tensor z = at::randn({2, o.latent});
    const at::Tensor expected = gan.discriminator().reconstruct(gan.generator().generate(z));
    for (const NamedNetwork& n : model->networks()) n.network->compute().type = at::kBFloat16;
    const at::Tensor found = gan.discriminator().reconstruct(gan.generator().generate(z));
    EXPECT_EQ(found.scalar_type(), at::kFloat) << name;
    const double off = (found - expected).abs().max().item<double>();
    EXPECT_LT(off, 0.05 * expected.abs().max().item<double>()) << name;
    EXPECT_GT(off, 0) << name;
  }
}

TEST(Compute, EachBeganSwitchIsEqualUpToRounding) {
  for (const bool skips : {false, true}) {
    for (const std::int64_t residuals : {0, 100}) {
      ModelOptions o;
      o.resolution = 32;
      o.width = 16;
      o.skip_connections = skips;
      o.vanishing_residuals = residuals;
      const auto model = make_model(o);
      model->initialize(3);
      const auto& gan = dynamic_cast<const AutoencoderGan&>(*model);
      const at::Tensor z = at::randn({2, o.latent});
      std::vector<at::Tensor> images;
      for (const auto& [fused, folded, winograd, narrow] : {std::tuple{false, false, false, true},
                                                            {true, false, false, false},
                                                            {true, true, false, false},
                                                            {true, true, true, false},
                                                            {true, false, true, true},
                                                            {true, true, true, true}}) {
        for (const NamedNetwork& n : model->networks()) {
          n.network->compute().fused_elu = fused;
          n.network->compute().folded_upsampling = folded;
          n.network->compute().winograd = winograd;
          n.network->compute().narrow_convs = narrow;
        }
        images.push_back(gan.discriminator().reconstruct(gan.generator().generate(z)));
        EXPECT_TRUE(at::allclose(images.back(), images.front(), 1e-4, 1e-5))
            << skips << residuals << fused << folded << winograd << narrow;
      }
    }
  }
}

}  // namespace
}  // namespace valley
