#include "methods/adversarial/augmentation.h"

#include "methods/ebgan/options.h"
#include "support/small_gan.h"

namespace valley {
namespace {

constexpr std::int64_t kMany = 64;
const std::vector<std::string> kAll = {"color", "translation", "cutout"};

class AugmentationTest : public testing::SmallGan {
 protected:
  AugmentationTest() {
    at::manual_seed(1);
    many_ = at::rand({kMany, 3, 32, 32}).contiguous(at::MemoryFormat::ChannelsLast) - 0.5;
  }
  [[nodiscard]] Augmentation make(const std::vector<std::string>& policy,
                                  AutoDouble strength) const {
    ObjectiveSetting with = setting();
    with.augment = {policy, strength, 0.6, 1};
    return {gan(), with};
  }
  // A part of the global batch that begins at sample `offset`.
  [[nodiscard]] at::Tensor augmented(const Augmentation& augmentation, std::int64_t offset = 0,
                                     std::int64_t size = kMany,
                                     RandomStream stream = RandomStream::kAugmentReal) const {
    const at::Tensor part = many_.narrow(0, offset, size);
    return augmentation(part, {part, {1, at::full({}, 640, at::kLong), offset, size, 1.0}}, stream);
  }
  at::Tensor many_;
};

TEST_F(AugmentationTest, ReturnsTheSameTensorWithoutAPolicy) {
  EXPECT_TRUE(augmented(make({}, 1.0)).is_same(augmented(make({}, 1.0))) ||
              at::equal(augmented(make({}, 1.0)), many_));
  EXPECT_TRUE(at::equal(augmented(make(kAll, 0.0)), many_) ||
              at::allclose(augmented(make(kAll, 0.0)), many_, 0, 1e-6));
}

// The number of ranks and the size of microbatches have no influence.
TEST_F(AugmentationTest, DependsOnThePositionOfASampleAlone) {
  const Augmentation augmentation = make(kAll, 0.6);
  const at::Tensor whole = augmented(augmentation);
  for (const std::int64_t size : {1, 4, 32}) {
    for (std::int64_t i = 0; i < kMany; i += size)
      EXPECT_TRUE(at::equal(augmented(augmentation, i, size), whole.narrow(0, i, size)));
  }
}

TEST_F(AugmentationTest, DiffersBetweenRealImagesAndBothKindsOfGeneratedOnes) {
  const Augmentation augmentation = make(kAll, 1.0);
  const at::Tensor real = augmented(augmentation);
  const at::Tensor d = augmented(augmentation, 0, kMany, RandomStream::kAugmentD);
  const at::Tensor g = augmented(augmentation, 0, kMany, RandomStream::kAugmentG);
  EXPECT_FALSE(at::allclose(real, d));
  EXPECT_FALSE(at::allclose(real, g));
  EXPECT_FALSE(at::allclose(d, g));
}

TEST_F(AugmentationTest, StrengthIsTheShareOfImagesPerTransform) {
  for (const std::string& transform : kAll) {
    const at::Tensor half = augmented(make({transform}, 0.5));
    std::int64_t changed = 0;
    for (std::int64_t i = 0; i < kMany; ++i)
      changed += at::allclose(half[i], many_[i], 0, 1e-5) ? 0 : 1;
    EXPECT_GT(changed, kMany / 4) << transform;
    EXPECT_LT(changed, 3 * kMany / 4) << transform;
  }
}

TEST_F(AugmentationTest, GradientIsThatOfDifferences) {
  const Augmentation augmentation = make(kAll, 1.0);
  const Microbatch place{many_, {1, at::full({}, 640, at::kLong), 0, kMany, 1.0}};
  const at::Tensor weights = at::randn_like(many_);
  const at::Tensor x = many_.clone().set_requires_grad(true);
  (augmentation(x, place, RandomStream::kAugmentG) * weights).sum().backward();
  const at::Tensor direction = at::randn_like(many_);
  const auto value = [&](double step) {
    const at::Tensor moved = many_ + step * direction;
    return (augmentation(moved, place, RandomStream::kAugmentG) * weights)
        .sum(at::kDouble)
        .item<double>();
  };
  const double expected = (value(0.01) - value(-0.01)) / 0.02;
  EXPECT_NEAR((x.grad() * direction).sum(at::kDouble).item<double>(), expected,
              1e-3 * std::abs(expected) + 1e-2);
}

TEST_F(AugmentationTest, AdaptsWithinBoundsAndIgnoresStepsThatAreNotFinite) {
  const Augmentation augmentation = make({"color"}, std::nullopt);
  ASSERT_TRUE(augmentation.is_adaptive());
  const auto scalar = [](double value) { return at::full({}, value, at::kDouble); };
  const auto strength = [&] {
    std::vector<ReportValue> report;
    augmentation.add_report(report);
    return report.front().value.item<double>();
  };
  EXPECT_EQ(strength(), 0);
  augmentation.adapt(scalar(0.9), scalar(1), scalar(3));
  EXPECT_NEAR(strength(), 0.004, 1e-12);  // 4 images of 1,000
  EXPECT_EQ(augmentation.signs(at::tensor({0.0, 1.9, 2.1, 5.0})).item<double>(), 0);
  EXPECT_EQ(augmentation.signs(at::tensor({0.0, 1.9, 1.8, 5.0})).item<double>(), 2);
  augmentation.adapt(scalar(std::nan("")), scalar(1), scalar(3));
  augmentation.adapt(scalar(0.9), scalar(1), scalar(INFINITY));
  EXPECT_NEAR(strength(), 0.004, 1e-12);
  for (int i = 0; i < 3; ++i) augmentation.adapt(scalar(0.5), scalar(1), scalar(3));
  EXPECT_EQ(strength(), 0);
  for (int i = 0; i < 300; ++i) augmentation.adapt(scalar(0.7), scalar(1), scalar(3));
  EXPECT_EQ(strength(), 1);
  EXPECT_FALSE(make({}, std::nullopt).is_adaptive());
}

TEST_F(AugmentationTest, BeganRejectsAnAdaptiveStrength) {
  ObjectiveSetting with = setting();
  with.augment = {kAll, std::nullopt, 0.6, 1};
  EXPECT_NE(rejection(ObjectiveOptions("began"), with).find("augment.strength"), std::string::npos);
  EXPECT_EQ(rejection(ObjectiveOptions("magan"), with), "");
}

}  // namespace
}  // namespace valley
