// Gradients of contrastive divergence, compared with autograd and with the exact gradient of RBMs
// that are small enough to sum log Z.
#include "methods/dbn/contrastive_divergence.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/tiny_rbm.h"

namespace valley {
namespace {

using testing::all_seen;
using testing::normal_values;
using testing::tiny_rbm;

Microbatch microbatch_of(std::int64_t size, double weight = 1, std::int64_t offset = 0) {
  return {at::Tensor(), {3, at::full({}, 64, at::kLong), offset, size, weight}};
}

// Data with another distribution than the RBM's.
VisibleState some_data(const Rbm& rbm, std::int64_t n) {
  const RbmShape& s = rbm.shape();
  const at::Tensor noise = normal_values({n, s.visible}, 5);
  VisibleState data{rbm.is_gaussian() ? noise : noise.gt(0.4).to(at::kFloat), {}};
  if (s.labels > 0)
    data.y = at::one_hot(at::arange(n, at::kLong) % s.labels, s.labels).to(at::kFloat);
  return data;
}

std::vector<at::Tensor> take_gradients(const Rbm& rbm) {
  std::vector<at::Tensor> all;
  for (const Parameter& p : rbm.parameters().all()) {
    all.push_back(p.value.grad().clone());
    p.value.mutable_grad().reset();
  }
  return all;
}

std::vector<at::Tensor> derive(const Rbm& rbm, const at::Tensor& loss) {
  loss.backward();
  return take_gradients(rbm);
}

struct Case {
  RbmShape shape;
  DivergenceSettings settings;
};
std::vector<Case> cases() {
  std::vector<Case> all;
  for (const VisibleUnits units : {VisibleUnits::kBernoulli, VisibleUnits::kGaussian}) {
    for (const std::int64_t labels : {0, 3}) {
      for (const bool persistent : {false, true}) {
        for (const std::int64_t steps : {1, 3})
          all.push_back({{5, 4, labels, units}, {steps, persistent, 0}});
      }
    }
  }
  return all;
}

TEST(ContrastiveDivergence, GradientMatchesAutogradOfFreeEnergies) {
  for (const auto& [shape, settings] : cases()) {
    const auto rbm = tiny_rbm(shape);
    const VisibleState data = some_data(*rbm, 6);
    const at::Tensor chain = normal_values({6, 4}, 9).gt(0).to(at::kFloat);
    const Divergence found =
        accumulate_divergence(*rbm, settings, data, chain, microbatch_of(6, 0.25));
    const std::vector<at::Tensor> got = take_gradients(*rbm);
    rbm->parameters().require_grad(true);
    const at::Tensor real = rbm->free_energy(data.v, data.y);
    const at::Tensor fake = rbm->free_energy(found.end.v, found.end.y);
    EXPECT_TRUE(at::allclose(found.real_energy, real, 1e-5, 1e-6));
    EXPECT_TRUE(at::allclose(found.fake_energy, fake, 1e-5, 1e-6));
    const std::vector<at::Tensor> expected = derive(*rbm, (real - fake).mean() * 0.25);
    for (std::size_t i = 0; i < got.size(); ++i) {
      EXPECT_TRUE(at::allclose(got[i], expected[i], 1e-4, 1e-6))
          << rbm->parameters().all()[i].name << ", steps " << settings.steps;
    }
  }
}

TEST(ContrastiveDivergence, AddsL2WeightDecay) {
  const auto rbm = tiny_rbm({5, 4, 3});
  const VisibleState data = some_data(*rbm, 6);
  static_cast<void>(accumulate_divergence(*rbm, {1, false, 0}, data, {}, microbatch_of(6, 0.5)));
  const std::vector<at::Tensor> without = take_gradients(*rbm);
  static_cast<void>(accumulate_divergence(*rbm, {1, false, 0.1}, data, {}, microbatch_of(6, 0.5)));
  const std::vector<at::Tensor> with = take_gradients(*rbm);
  for (std::size_t i = 0; i < with.size(); ++i) {
    const Parameter& p = rbm->parameters().all()[i];
    const bool is_weight = p.name == "weight" || p.name == "label_weight";
    EXPECT_TRUE(at::allclose(with[i] - without[i], p.value * (is_weight ? 0.05 : 0), 1e-4, 1e-6))
        << p.name;
  }
}

// Gradient of the mean of -log p(v, y) over `data`, with Z summed over all states; float autograd.
std::vector<at::Tensor> exact_gradient(const Rbm& rbm, const VisibleState& data) {
  const auto [v, y] = all_seen(rbm.shape());
  rbm.parameters().require_grad(true);
  const at::Tensor log_z = at::logsumexp(-rbm.free_energy(v, y), {0});
  return derive(rbm, rbm.free_energy(data.v, data.y).mean() + log_z);
}

constexpr std::int64_t kChains = 40000;
constexpr std::int64_t kLong = 40;

TEST(ContrastiveDivergence, LongPersistentChainsMatchTheLikelihoodGradient) {
  for (const std::int64_t labels : {0, 2}) {
    const auto rbm = tiny_rbm({5, 3, labels});
    const VisibleState data = some_data(*rbm, kChains);
    const std::vector<at::Tensor> exact = exact_gradient(*rbm, data);
    rbm->parameters().require_grad(false);
    static_cast<void>(accumulate_divergence(*rbm, {kLong, true, 0}, data, at::zeros({kChains, 3}),
                                            microbatch_of(kChains)));
    const std::vector<at::Tensor> got = take_gradients(*rbm);
    // Standard error of the mean of values in [0, 1] over independent chains.
    const double error = 0.5 / std::sqrt(static_cast<double>(kChains));
    for (std::size_t i = 0; i < got.size(); ++i) {
      EXPECT_LT((got[i] - exact[i]).abs().max().item<double>(), 5 * error)
          << rbm->parameters().all()[i].name;
      EXPECT_GT(exact[i].abs().max().item<double>(), 10 * error);  // well above the error
    }
  }
}

// The chain ends at means of the visible units instead of samples. This biases products with hidden
// units, but not the visible units themselves, so only visible and label biases are compared.
TEST(ContrastiveDivergence, LongCdChainsMatchTheLikelihoodGradientOfVisibleBiases) {
  const auto rbm = tiny_rbm({5, 3, 2});
  const VisibleState data = some_data(*rbm, kChains);
  const std::vector<at::Tensor> exact = exact_gradient(*rbm, data);
  rbm->parameters().require_grad(false);
  const double error = 0.5 / std::sqrt(static_cast<double>(kChains));
  const auto deviation = [&](std::int64_t steps, const std::string& name) {
    static_cast<void>(
        accumulate_divergence(*rbm, {steps, false, 0}, data, {}, microbatch_of(kChains)));
    const std::vector<at::Tensor> got = take_gradients(*rbm);
    for (std::size_t i = 0; i < got.size(); ++i) {
      if (rbm->parameters().all()[i].name == name)
        return (got[i] - exact[i]).abs().max().item<double>();
    }
    return std::nan("");
  };
  for (const char* name : {"visible_bias", "label_bias"}) {
    EXPECT_LT(deviation(kLong, name), 5 * error) << name;
    EXPECT_GT(deviation(1, name), 5 * error) << name;
  }
}

TEST(ContrastiveDivergence, ChainsDependOnlyOnSamplePosition) {
  const auto rbm = tiny_rbm({5, 4, 3});
  const VisibleState data = some_data(*rbm, 8);
  const at::Tensor chain = normal_values({8, 4}, 9).gt(0).to(at::kFloat);
  for (const bool persistent : {false, true}) {
    const DivergenceSettings settings{3, persistent, 0};
    const Divergence all = accumulate_divergence(*rbm, settings, data, chain, microbatch_of(8));
    const VisibleState rest{data.v.narrow(0, 6, 2), data.y.narrow(0, 6, 2)};
    const Divergence part = accumulate_divergence(*rbm, settings, rest, chain.narrow(0, 6, 2),
                                                  microbatch_of(2, 0.25, 6));
    EXPECT_TRUE(at::allclose(part.end.v, all.end.v.narrow(0, 6, 2)));
    if (persistent) {
      EXPECT_TRUE(at::equal(part.hidden, all.hidden.narrow(0, 6, 2)));
    }
  }
}

}  // namespace
}  // namespace valley
