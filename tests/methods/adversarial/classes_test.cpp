#include "methods/adversarial/classes.h"

#include <ATen/ops/bincount.h>

#include "methods/ebgan/options.h"
#include "support/small_gan.h"

namespace valley {
namespace {

constexpr std::int64_t kDrawnLabels = 5;

class ConditionalGan : public testing::SmallGan {
 protected:
  ConditionalGan() {
    model_options_.labels = kDrawnLabels;
    model_ = make_model(model_options_);
    model_->initialize(5);
  }
  [[nodiscard]] Microbatch labeled(std::int64_t offset, std::int64_t n) const {
    return {at::zeros({n, 3, 32, 32}),
            {1, at::full({}, 7, at::kLong), offset, n, 1.0},
            nullptr,
            at::arange(offset, offset + n, at::kLong) % kDrawnLabels};
  }
  [[nodiscard]] ClassLabels classes(const std::string& sampling = "balanced") const {
    return {gan(), {sampling, 1}};
  }
};

TEST_F(ConditionalGan, BalancedClassesAreUniformAndDependOnThePositionOnly) {
  constexpr std::int64_t kDraws = 5000;
  const Microbatch all = labeled(0, kDraws);
  for (const RandomStream latents : {RandomStream::kLatentD, RandomStream::kLatentG}) {
    const at::Tensor drawn = classes().generated(all, latents);
    const at::Tensor counts = at::bincount(drawn);
    ASSERT_EQ(counts.size(0), kDrawnLabels);
    EXPECT_GT(counts.min().item<std::int64_t>(), kDraws / kDrawnLabels - 120);  // 4 deviations
    EXPECT_LT(counts.max().item<std::int64_t>(), kDraws / kDrawnLabels + 120);
    const at::Tensor part = classes().generated(labeled(100, 50), latents);
    EXPECT_TRUE(at::equal(part, drawn.narrow(0, 100, 50)));
  }
  EXPECT_FALSE(at::equal(classes().generated(all, RandomStream::kLatentD),
                         classes().generated(all, RandomStream::kLatentG)));
}

TEST_F(ConditionalGan, MismatchedClassesAreTheOthersInEqualShares) {
  const Microbatch all = labeled(0, 5000);
  const at::Tensor wrong = classes().mismatched(all);
  EXPECT_FALSE(wrong.eq(all.labels()).any().item<bool>());
  const at::Tensor counts = at::bincount((wrong - all.labels() + kDrawnLabels) % kDrawnLabels);
  EXPECT_EQ(counts[0].item<std::int64_t>(), 0);
  EXPECT_GT(counts.narrow(0, 1, kDrawnLabels - 1).min().item<std::int64_t>(), 5000 / 4 - 130);
  EXPECT_TRUE(at::equal(classes().mismatched(labeled(64, 32)), wrong.narrow(0, 64, 32)));
}

TEST_F(ConditionalGan, ClassesFromTheDataAreThoseOfTheRealImages) {
  const Microbatch all = labeled(0, 16);
  EXPECT_TRUE(at::equal(classes("data").generated(all, RandomStream::kLatentD), all.labels()));
  EXPECT_TRUE(at::equal(classes("data").generated(all, RandomStream::kLatentG), all.labels()));
}

TEST_F(ConditionalGan, MismatchedPairsAddTheirSumsOnlyWithAWeight) {
  ObjectiveOptions options("ebgan");
  auto& own = options.as<EbganOptions>();
  own.energy = "l2_norm";
  own.margin = 40.0;  // above the energies of these images
  const auto with = make_objective(options, *model_, setting());
  own.classes.mismatch_weight = 0;
  const auto without = make_objective(options, *model_, setting());
  EXPECT_EQ(with->sums_of(testing::kDiscriminatorPhase).size(),
            without->sums_of(testing::kDiscriminatorPhase).size() + 2);
  const at::Tensor labels = at::arange(kBatch, at::kLong);
  const Microbatch batch(images_, microbatch().place(), nullptr, labels);
  const Pass heavy = run(*with, testing::kDiscriminatorPhase, batch);
  const Pass plain = run(*without, testing::kDiscriminatorPhase, batch);
  EXPECT_FALSE(testing::near(heavy.discriminator, plain.discriminator));
  EXPECT_EQ(heavy.sums.at("energy/real"), plain.sums.at("energy/real"));
  EXPECT_GT(heavy.sums.at("energy/mismatch"), 0);
  EXPECT_EQ(heavy.sums.at("count"), kBatch);
}

using UnconditionalGan = testing::SmallGan;

TEST_F(UnconditionalGan, HasNoLabelsAndNoMismatchedPairs) {
  const ClassLabels none(gan(), {});
  EXPECT_FALSE(none.real(microbatch()).defined());
  EXPECT_FALSE(none.generated(microbatch(), RandomStream::kLatentD).defined());
  EXPECT_EQ(none.mismatch_weight(), 0);
}

TEST_F(UnconditionalGan, BalancedClassesAreRejected) {
  ObjectiveOptions options("ebgan");
  options.as<EbganOptions>().margin = 1.0;
  options.as<EbganOptions>().energy = "l2_norm";
  options.as<EbganOptions>().classes.label_sampling = "balanced";
  EXPECT_NE(rejection(options).find("model.labels = 0"), std::string::npos);
}

}  // namespace
}  // namespace valley
