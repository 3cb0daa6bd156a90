// log Z of RBMs that are small enough to sum over all states.
#include "inference/log_partition.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "core/error.h"
#include "samplers/annealing.h"
#include "support/tiny_rbm.h"

namespace valley {
namespace {

using testing::all_seen;

std::unique_ptr<Rbm> tiny_rbm(const RbmShape& shape, double scale = 0.8) {
  auto rbm = testing::tiny_rbm(shape, scale);
  const at::NoGradGuard no_grad;
  if (shape.sees_images) rbm->pixel_mean().fill_(0.4);
  return rbm;
}

LogPartition annealed(const Rbm& rbm, std::int64_t steps, std::int64_t chains, std::uint64_t seed) {
  const at::Tensor base = base_rates(rbm);
  return partition_from_weights(
      log_base_partition(rbm, base),
      annealed_log_weights(rbm, base, annealing_temperatures(steps), seed, 0, chains));
}

double summed(const Rbm& rbm) {
  const auto [v, y] = all_seen(rbm.shape());
  return at::logsumexp(-testing::summed_free_energy(rbm, v, y), {0}).item<double>();
}

TEST(EnumeratedPartition, IsTheSumOverAllStates) {
  for (const RbmShape& shape :
       {RbmShape{4, 3}, RbmShape{3, 5}, RbmShape{4, 3, 3}, RbmShape{3, 4, 2}}) {
    const auto rbm = tiny_rbm(shape);
    ASSERT_TRUE(can_enumerate(*rbm));
    EXPECT_NEAR(enumerate_partition(*rbm).value, summed(*rbm), 1e-5);
    EXPECT_EQ(enumerate_partition(*rbm).chains, 0);
  }
}

TEST(EnumeratedPartition, IntegratesGaussianUnits) {
  // For one visible unit, on a fine grid.
  const auto rbm = tiny_rbm({1, 3, 2, VisibleUnits::kGaussian});
  constexpr double kStep = 0.002;
  const at::Tensor v = at::arange(-20, 20, kStep, at::kFloat).unsqueeze(1);
  double z = 0;
  for (std::int64_t k = 0; k < 2; ++k) {
    const at::Tensor y = at::eye(2)[k].expand({v.size(0), 2});
    z += at::exp(-testing::summed_free_energy(*rbm, v, y)).sum().item<double>() * kStep;
  }
  EXPECT_NEAR(enumerate_partition(*rbm).value, std::log(z), 1e-4);
}

TEST(EnumeratedPartition, IsPossibleForSmallLayersOnly) {
  EXPECT_TRUE(can_enumerate(Rbm({21, 20}, at::kCPU)));
  EXPECT_TRUE(can_enumerate(Rbm({20, 21}, at::kCPU)));
  EXPECT_FALSE(can_enumerate(Rbm({21, 21}, at::kCPU)));
  EXPECT_FALSE(can_enumerate(Rbm({2, 21, 0, VisibleUnits::kGaussian}, at::kCPU)));
}

TEST(AnnealingTemperatures, AscendInThreeSegments) {
  const std::vector<double> t = annealing_temperatures(14500);
  ASSERT_EQ(t.size(), 14501U);
  EXPECT_EQ(t[0], 0);
  EXPECT_EQ(t[500], 0.5);
  EXPECT_EQ(t[4500], 0.9);
  EXPECT_EQ(t[14500], 1);
  for (const std::int64_t steps : {3, 4, 7, 100}) {
    const std::vector<double> few = annealing_temperatures(steps);
    ASSERT_EQ(few.size(), static_cast<std::size_t>(steps) + 1);
    EXPECT_EQ(few.back(), 1);
    for (std::size_t i = 1; i < few.size(); ++i) EXPECT_GT(few[i], few[i - 1]);
  }
}

TEST(AnnealedPartition, MatchesEnumerationWithinItsError) {
  std::vector<RbmShape> shapes;
  for (const std::int64_t hidden : {12, 14, 16}) {
    shapes.push_back({20, hidden});
    shapes.push_back({20, hidden, 4});
    shapes.push_back({10, hidden, 0, VisibleUnits::kGaussian});
    shapes.push_back({10, hidden, 3, VisibleUnits::kGaussian});
  }
  for (const RbmShape& shape : shapes) {
    const auto rbm = tiny_rbm(shape, 0.4);
    const LogPartition found = annealed(*rbm, 1000, 100, 5);
    EXPECT_EQ(found.chains, 100);
    EXPECT_LT(found.standard_error, 0.1);
    EXPECT_NEAR(found.value, enumerate_partition(*rbm).value, 3 * found.standard_error)
        << shape.hidden << " hidden units, " << shape.labels << " labels, gaussian "
        << rbm->is_gaussian();
  }
}

TEST(AnnealedPartition, StandardErrorMatchesTheSpreadOfEstimates) {
  const auto rbm = tiny_rbm({16, 12, 3}, 0.6);
  const double truth = enumerate_partition(*rbm).value;
  constexpr int kSeeds = 40;
  int within_one = 0;
  int within_two = 0;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const LogPartition found = annealed(*rbm, 400, 100, seed);
    EXPECT_GT(found.effective_chains, 30);
    const double off = std::abs(found.value - truth) / found.standard_error;
    within_one += off < 1 ? 1 : 0;
    within_two += off < 2 ? 1 : 0;
  }
  // Binomial of 40 with 0.68 and 0.95: three deviations each way.
  EXPECT_GE(within_one, 18);
  EXPECT_LE(within_one, 36);
  EXPECT_GE(within_two, 34);
}

TEST(AnnealedPartition, ChainDependsOnItsIndexOnly) {
  const auto rbm = tiny_rbm({9, 6, 3});
  const at::Tensor base = base_rates(*rbm);
  const std::vector<double> t = annealing_temperatures(50);
  const at::Tensor all = annealed_log_weights(*rbm, base, t, 1, 0, 10);
  const at::Tensor part = annealed_log_weights(*rbm, base, t, 1, 6, 4);
  EXPECT_TRUE(at::allclose(part, all.narrow(0, 6, 4), 0, 1e-5));
  EXPECT_FALSE(at::allclose(annealed_log_weights(*rbm, base, t, 2, 0, 10), all, 0, 1e-5));
}

TEST(AnnealedPartition, IsExactForRbmWithoutWeights) {
  const auto rbm = tiny_rbm({7, 5});
  const at::NoGradGuard no_grad;
  for (const Parameter& p : rbm->parameters().all()) p.value.zero_();
  rbm->pixel_mean().fill_(0.5);
  EXPECT_TRUE(at::equal(base_rates(*rbm), at::zeros({7})));
  const LogPartition found = annealed(*rbm, 10, 5, 0);
  EXPECT_NEAR(found.value, 12 * std::numbers::ln2, 1e-9);
  EXPECT_NEAR(found.standard_error, 0, 1e-12);
}

TEST(AnnealedPartition, BaseRatesMatchThePixels) {
  const auto rbm = tiny_rbm({3, 2});
  {
    const at::NoGradGuard no_grad;
    rbm->pixel_mean().copy_(at::tensor({0.25, 0.0, 1.0}));
  }
  const at::Tensor base = base_rates(*rbm);
  EXPECT_NEAR(base[0].item<double>(), std::log(0.25 / 0.75), 1e-6);
  EXPECT_NEAR(base[1].item<double>(), std::log(0.01 / 0.99), 1e-5);
  EXPECT_NEAR(base[2].item<double>(), std::log(0.99 / 0.01), 1e-5);
  const double log_z = 2 * std::numbers::ln2 + at::softplus(base).sum().item<double>();
  EXPECT_NEAR(log_base_partition(*rbm, base), log_z, 1e-5);
  RbmShape upper{3, 2};
  upper.sees_images = false;
  const auto machine = tiny_rbm(upper);
  EXPECT_TRUE(at::equal(base_rates(*machine), machine->visible_bias()));
  const auto gaussian = tiny_rbm({3, 2, 0, VisibleUnits::kGaussian});
  EXPECT_TRUE(at::equal(base_rates(*gaussian), at::zeros({3})));
}

TEST(PartitionFromWeights, IsTheLogMeanOfWeights) {
  // Weights 1, 2, 3 times e^1000.
  const at::Tensor w = at::log(at::tensor({1.0, 2.0, 3.0}, at::kDouble)) + 1000;
  const LogPartition found = partition_from_weights(5, w);
  EXPECT_NEAR(found.value, 1005 + std::log(2), 1e-9);
  EXPECT_NEAR(found.standard_error, 1 / (2 * std::sqrt(3)), 1e-9);
  EXPECT_NEAR(found.effective_chains, 36.0 / 14, 1e-9);
}

}  // namespace
}  // namespace valley
