// Gibbs chains of RBMs that are small enough to enumerate their distribution.
#include "samplers/gibbs.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/tiny_rbm.h"

namespace valley {
namespace {

using testing::all_seen;
using testing::all_states;
using testing::tiny_rbm;

constexpr std::int64_t kGibbsChains = 40000;
constexpr std::int64_t kSteps = 40;

ChainPlace gibbs_place(std::int64_t position, std::int64_t offset = 0) {
  return {7, RandomStream::kGibbs, at::full({}, position, at::kLong), offset};
}

GibbsChain run(const Rbm& rbm, std::int64_t chains, std::int64_t steps,
               const at::Tensor& label = {}, std::int64_t offset = 0) {
  const GibbsDraws draws(rbm, gibbs_place(100, offset), RandomStream::kGibbsNoise);
  return run_gibbs(rbm, at::zeros({chains, rbm.shape().hidden}), steps, draws, label);
}

// Index of each row in all_seen().
at::Tensor index_of(const VisibleState& seen) {
  const at::Tensor powers = at::pow(2, at::arange(seen.v.size(1), at::kLong));
  const at::Tensor state = (seen.v.to(at::kLong) * powers).sum(1);
  return seen.y.defined() ? state * seen.y.size(1) + at::argmax(seen.y, 1) : state;
}

// Pearson's chi-square statistic of independent rows, in standard deviations from its mean.
double chi_square(const at::Tensor& indices, const at::Tensor& probabilities) {
  const at::Tensor counts = at::bincount(indices, {}, probabilities.size(0)).to(at::kDouble);
  const at::Tensor expected = probabilities * static_cast<double>(indices.size(0));
  EXPECT_GT(expected.min().item<double>(), 5) << "too few chains for this test";
  const double statistic = (at::square(counts - expected) / expected).sum().item<double>();
  const auto freedom = static_cast<double>(probabilities.size(0) - 1);
  return (statistic - freedom) / std::sqrt(2 * freedom);
}

TEST(Gibbs, ChainsSampleTheModelDistribution) {
  const auto rbm = tiny_rbm({4, 3});
  const at::Tensor p = at::softmax(-testing::summed_free_energy(*rbm, all_states(4)), 0);
  const at::Tensor indices = index_of(run(*rbm, kGibbsChains, kSteps).seen);
  EXPECT_LT(std::abs(chi_square(indices, p)), 5);
  const auto other = tiny_rbm({4, 3}, 0.75);  // the statistic separates similar models
  const at::Tensor q = at::softmax(-testing::summed_free_energy(*other, all_states(4)), 0);
  EXPECT_GT(chi_square(indices, q), 5);
}

TEST(Gibbs, LabelsAreSampledJointly) {
  const auto rbm = tiny_rbm({3, 3, 3});
  const auto [v, y] = all_seen(rbm->shape());
  const at::Tensor p = at::softmax(-testing::summed_free_energy(*rbm, v, y), 0);
  const GibbsChain chain = run(*rbm, kGibbsChains, kSteps);
  EXPECT_TRUE(at::equal(chain.seen.y.sum(1), at::ones({kGibbsChains})));
  EXPECT_LT(std::abs(chi_square(index_of(chain.seen), p)), 5);
}

TEST(Gibbs, FixedLabelsConditionTheOtherUnits) {
  const auto rbm = tiny_rbm({3, 3, 3});
  for (std::int64_t k = 0; k < 3; ++k) {
    const at::Tensor label = at::eye(3)[k].expand({kGibbsChains, 3}).contiguous();
    const at::Tensor all = at::eye(3)[k].expand({8, 3});
    const at::Tensor p = at::softmax(-testing::summed_free_energy(*rbm, all_states(3), all), 0);
    const GibbsChain chain = run(*rbm, kGibbsChains, kSteps, label);
    EXPECT_TRUE(at::equal(chain.seen.y, label));
    EXPECT_LT(std::abs(chi_square(index_of({chain.seen.v, {}}), p)), 5) << "label " << k;
  }
}

TEST(Gibbs, GaussianUnitsMatchMixtureMoments) {
  const auto rbm = tiny_rbm({3, 3, 0, VisibleUnits::kGaussian}, 0.6);
  // p(h) in closed form: integrating over v leaves exp(c'h + |W'h + b|^2 / 2 - |b|^2 / 2).
  const at::Tensor h = all_states(3);
  const at::Tensor means = rbm->visible_mean(h).to(at::kDouble);
  const at::Tensor log_p =
      at::matmul(h, rbm->hidden_bias()).to(at::kDouble) + at::square(means).sum(1) / 2;
  const at::Tensor p = at::softmax(log_p, 0).unsqueeze(1);
  const at::Tensor mean = (p * means).sum(0);
  const at::Tensor variance = 1 + (p * at::square(means - mean)).sum(0);
  const at::Tensor v = run(*rbm, kGibbsChains, kSteps).seen.v.to(at::kDouble);
  const at::Tensor error = at::sqrt(variance / static_cast<double>(kGibbsChains));
  EXPECT_LT(((v.mean(0) - mean) / error).abs().max().item<double>(), 5);
  const double relative = (v.var(0, true) / variance - 1).abs().max().item<double>();
  EXPECT_LT(relative, 5 * std::sqrt(2.0 / kGibbsChains));
  EXPECT_GT(((v.mean(0) - rbm->visible_bias()) / error).abs().max().item<double>(), 5);
}

TEST(Gibbs, DrawsDependOnPositionAndStepOnly) {
  for (const VisibleUnits units : {VisibleUnits::kBernoulli, VisibleUnits::kGaussian}) {
    const auto rbm = tiny_rbm({5, 6, 3, units});
    const GibbsChain all = run(*rbm, 8, 6);
    const GibbsChain part = run(*rbm, 3, 6, {}, 5);
    EXPECT_TRUE(at::equal(part.seen.v, all.seen.v.narrow(0, 5, 3)));
    EXPECT_TRUE(at::equal(part.seen.y, all.seen.y.narrow(0, 5, 3)));
    EXPECT_TRUE(at::equal(part.hidden, all.hidden.narrow(0, 5, 3)));
    // The same chain in two runs.
    const GibbsDraws draws(*rbm, gibbs_place(100), RandomStream::kGibbsNoise);
    const GibbsChain half = run_gibbs(*rbm, at::zeros({8, 6}), 2, draws);
    const GibbsChain rest = run_gibbs(*rbm, half.hidden, 4, draws, {}, 2);
    EXPECT_TRUE(at::equal(rest.seen.v, all.seen.v));
    EXPECT_TRUE(at::equal(rest.hidden, all.hidden));
    // Steps and kinds of units do not share random values.
    EXPECT_FALSE(
        at::equal(draws.hidden(at::full({8, 6}, 0.5), 0), draws.hidden(at::full({8, 6}, 0.5), 1)));
  }
}

}  // namespace
}  // namespace valley
