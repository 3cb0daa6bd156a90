#include "kernels/kernels.h"

#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace valley::kernels {
namespace {

at::Tensor position_at(std::int64_t value) { return at::full({}, value, at::kLong); }

at::Tensor all_bytes() {  // [1, 8, 16, 2]: every byte once
  return at::arange(256, at::kInt).to(at::kByte).view({1, 8, 16, 2});
}

at::Tensor converted(const at::Tensor& bytes, const Mirror& mirror, std::int64_t position,
                     std::int64_t offset = 0) {
  at::Tensor out = at::empty({bytes.size(0), bytes.size(3), bytes.size(1), bytes.size(2)},
                             at::kFloat, at::MemoryFormat::ChannelsLast);
  images_from_bytes(bytes, out, mirror, position_at(position), offset);
  return out;
}

TEST(ImagesFromBytes, MapsZeroTo255OntoMinusOneToOne) {
  const at::Tensor out = converted(all_bytes(), {}, 0);
  const at::Tensor expected = all_bytes().to(at::kFloat).div(127.5).sub(1).permute({0, 3, 1, 2});
  EXPECT_TRUE(at::equal(out, expected));
  EXPECT_EQ(out.min().item<float>(), -1.0F);
  EXPECT_EQ(out.max().item<float>(), 1.0F);
}

TEST(ImagesFromBytes, AndBackGivesEveryByteAgain) {
  EXPECT_TRUE(at::equal(bytes_from_images(converted(all_bytes(), {}, 0)), all_bytes()));
}

TEST(BytesFromImages, ClampsWhatLiesOutside) {
  const at::Tensor images = at::tensor({-7.0F, -1.0F, 0.0F, 1.0F, 9.0F, 0.5F}).view({1, 1, 2, 3});
  const at::Tensor expected =
      at::tensor({0, 0, 128, 255, 255, 191}, at::kInt).to(at::kByte).view({1, 2, 3, 1});
  EXPECT_TRUE(at::equal(bytes_from_images(images), expected));
}

TEST(ImagesFromBytes, MirrorsByPositionAlone) {
  const at::Tensor bytes = at::randint(0, 256, {64, 4, 6, 3}, at::kInt).to(at::kByte);
  const at::Tensor plain = converted(bytes, {}, 0);
  const at::Tensor mirrored = converted(bytes, {true, 7}, 1000);
  int flips = 0;
  for (std::int64_t i = 0; i < 64; ++i) {
    const bool kept = at::equal(mirrored[i], plain[i]);
    const bool flipped = at::equal(mirrored[i], plain[i].flip({2}));
    EXPECT_NE(kept, flipped);
    flips += flipped ? 1 : 0;
  }
  EXPECT_GT(flips, 16);
  EXPECT_LT(flips, 48);
  // The second half as another rank's share: the same flips.
  EXPECT_TRUE(at::equal(converted(bytes.narrow(0, 32, 32).contiguous(), {true, 7}, 1000, 32),
                        mirrored.narrow(0, 32, 32)));
}

TEST(FillUniform, IsAFunctionOfSeedStreamAndPosition) {
  const UniformDraw draw{11, RandomStream::kLatentD, -1, 1};
  at::Tensor whole = at::empty({8, 10}, at::kFloat);
  fill_uniform(whole, draw, position_at(100), 0);
  at::Tensor part = at::empty({3, 10}, at::kFloat);
  fill_uniform(part, draw, position_at(100), 5);
  EXPECT_TRUE(at::equal(part, whole.narrow(0, 5, 3)));
  fill_uniform(part, draw, position_at(105), 0);
  EXPECT_TRUE(at::equal(part, whole.narrow(0, 5, 3)));
  fill_uniform(part, {11, RandomStream::kLatentG, -1, 1}, position_at(105), 0);
  EXPECT_FALSE(at::equal(part, whole.narrow(0, 5, 3)));
  fill_uniform(part, {12, RandomStream::kLatentD, -1, 1}, position_at(105), 0);
  EXPECT_FALSE(at::equal(part, whole.narrow(0, 5, 3)));
}

TEST(FillUniform, HasTheMomentsOfItsDistribution) {
  at::Tensor z = at::empty({1000, 100}, at::kFloat);
  fill_uniform(z, {3, RandomStream::kLatentG, -1, 1}, position_at(0), 0);
  EXPECT_GE(z.min().item<float>(), -1.0F);
  EXPECT_LT(z.max().item<float>(), 1.0F);
  EXPECT_NEAR(z.mean().item<double>(), 0.0, 0.01);  // five standard errors: 0.009
  EXPECT_NEAR(z.var().item<double>(), 1.0 / 3.0, 0.005);
}

TEST(FillNormal, IsAFunctionOfSeedStreamPositionAndBlock) {
  at::Tensor whole = at::empty({8, 12}, at::kFloat);
  fill_normal(whole, {11, RandomStream::kLangevin, 2, 5}, position_at(100), 0);
  at::Tensor part = at::empty({3, 12}, at::kFloat);
  fill_normal(part, {11, RandomStream::kLangevin, 2, 5}, position_at(102), 3);
  EXPECT_TRUE(at::equal(part, whole.narrow(0, 5, 3)));
  // A later block of the same row begins where an earlier one goes on.
  fill_normal(part, {11, RandomStream::kLangevin, 2, 6}, position_at(105), 0);
  EXPECT_TRUE(at::equal(part.narrow(1, 0, 8), whole.narrow(0, 5, 3).narrow(1, 4, 8)));
  fill_normal(part, {12, RandomStream::kLangevin, 2, 5}, position_at(105), 0);
  EXPECT_FALSE(at::equal(part, whole.narrow(0, 5, 3)));
}

TEST(FillNormal, HasTheMomentsAndTailsOfANormal) {
  at::Tensor z = at::empty({1000, 401}, at::kFloat);
  fill_normal(z, {3, RandomStream::kLatentG, 0.5, 0}, position_at(0), 0);
  const at::Tensor x = z.to(at::kDouble) / 0.5;
  EXPECT_NEAR(x.mean().item<double>(), 0.0, 0.008);  // five standard errors
  EXPECT_NEAR(x.var().item<double>(), 1.0, 0.012);
  EXPECT_NEAR(x.pow(4).mean().item<double>(), 3.0, 0.08);
  EXPECT_NEAR((x.abs() > 2).to(at::kDouble).mean().item<double>(), 0.0455, 0.002);
  // Neighbours of a row, the two of a pair among them, are independent.
  EXPECT_NEAR((x.narrow(1, 0, 400) * x.narrow(1, 1, 400)).mean().item<double>(), 0.0, 0.008);
}

struct AdamState {
  at::Tensor value, gradient, first, second;
  at::Tensor rate = at::full({}, 1e-3, at::kDouble);
  at::Tensor updates = at::full({}, 7, at::kLong);
  at::Tensor skip = at::zeros({}, at::kInt);
};

AdamState some_state(std::int64_t n) {
  at::manual_seed(1);
  return {at::randn({n}), at::randn({n}), at::randn({n}) * 0.1, at::rand({n})};
}

TEST(Adam, IsThePaperFormulaInDoublePrecision) {
  const AdamState s = some_state(100'003);
  const at::Tensor g = s.gradient.to(at::kDouble);
  const at::Tensor m = 0.5 * s.first.to(at::kDouble) + 0.5 * g;
  const at::Tensor v = 0.999 * s.second.to(at::kDouble) + 0.001 * g * g;
  const at::Tensor m_hat = m / (1 - std::pow(0.5, 7));
  const at::Tensor v_hat = v / (1 - std::pow(0.999, 7));
  const at::Tensor expected = s.value.to(at::kDouble) - 1e-3 * m_hat / (v_hat.sqrt() + 1e-8);
  adam(s.value, s.gradient, s.first, s.second, s.rate, s.updates, s.skip, {0.5, 0.999, 1e-8});
  EXPECT_TRUE(at::allclose(s.value.to(at::kDouble), expected, 1e-6, 1e-7));
  EXPECT_TRUE(at::allclose(s.first.to(at::kDouble), m, 1e-6, 1e-7));
  EXPECT_TRUE(at::allclose(s.second.to(at::kDouble), v, 1e-6, 1e-7));
}

TEST(Adam, ChangesNothingWhenToldToSkip) {
  const AdamState s = some_state(1000);
  const at::Tensor before = s.value.clone();
  s.skip.fill_(1);
  s.gradient.fill_(std::numeric_limits<float>::quiet_NaN());
  adam(s.value, s.gradient, s.first, s.second, s.rate, s.updates, s.skip, {});
  EXPECT_TRUE(at::equal(s.value, before));
  EXPECT_TRUE(at::isfinite(s.first).all().item<bool>());
}

TEST(Adam, DoesNotDependOnTheNumberOfThreads) {
  const AdamState one = some_state(1 << 18);
  const AdamState two = some_state(1 << 18);
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  adam(one.value, one.gradient, one.first, one.second, one.rate, one.updates, one.skip, {});
  at::set_num_threads(2);
  adam(two.value, two.gradient, two.first, two.second, two.rate, two.updates, two.skip, {});
  at::set_num_threads(before);
  EXPECT_TRUE(at::equal(one.value, two.value));
}

TEST(MovingAverage, HalvesTheDistanceInAHalfLife) {
  const at::Tensor average = at::zeros({100});
  const at::Tensor value = at::ones({100});
  const at::Tensor skip = at::zeros({}, at::kInt);
  for (int i = 0; i < 10; ++i) moving_average(average, value, std::exp2(-0.1), skip);
  EXPECT_NEAR(average[50].item<double>(), 0.5, 1e-6);
  skip.fill_(1);
  moving_average(average, value, 0.0, skip);
  EXPECT_NEAR(average[50].item<double>(), 0.5, 1e-6);
}

// The CPU is the reference of every CUDA kernel.
class OnCuda : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!at::globalContext().hasCUDA()) GTEST_SKIP() << "no GPU";
  }
  at::Tensor gpu(const at::Tensor& t) { return t.to(at::kCUDA); }
};

TEST_F(OnCuda, ImagesAgreeToTheBit) {
  const at::Tensor bytes = at::randint(0, 256, {16, 32, 32, 3}, at::kInt).to(at::kByte);
  at::Tensor out = at::empty({16, 3, 32, 32}, at::TensorOptions(at::kCUDA).dtype(at::kFloat),
                             at::MemoryFormat::ChannelsLast);
  images_from_bytes(gpu(bytes), out, {true, 5}, gpu(position_at(40)), 8);
  EXPECT_TRUE(at::equal(out.cpu(), converted(bytes, {true, 5}, 40, 8)));
}

TEST_F(OnCuda, UniformNumbersAgreeToTheBit) {
  at::Tensor here = at::empty({33, 65}, at::kFloat);
  at::Tensor there = at::empty({33, 65}, at::TensorOptions(at::kCUDA).dtype(at::kFloat));
  const UniformDraw draw{9, RandomStream::kLatentG, -1, 1};
  fill_uniform(here, draw, position_at(12345), 3);
  fill_uniform(there, draw, gpu(position_at(12345)), 3);
  EXPECT_TRUE(at::equal(there.cpu(), here));
}

TEST_F(OnCuda, AdamAndAverageAgree) {
  const AdamState s = some_state(100'003);
  const AdamState t{gpu(s.value), gpu(s.gradient), gpu(s.first), gpu(s.second),
                    gpu(s.rate),  gpu(s.updates),  gpu(s.skip)};
  adam(s.value, s.gradient, s.first, s.second, s.rate, s.updates, s.skip, {});
  adam(t.value, t.gradient, t.first, t.second, t.rate, t.updates, t.skip, {});
  EXPECT_TRUE(at::allclose(t.value.cpu(), s.value, 1e-6, 1e-7));
  moving_average(s.first, s.value, 0.9, s.skip);
  moving_average(t.first, t.value, 0.9, t.skip);
  EXPECT_TRUE(at::allclose(t.first.cpu(), s.first, 1e-6, 1e-7));
}

}  // namespace
}  // namespace valley::kernels
