// Objective::prefetch of G's phase before D's update, for each objective with alternating updates.
#include <ATen/core/grad_mode.h>

#include <limits>

#include "methods/ebgan/options.h"
#include "support/small_gan.h"

namespace valley {
namespace {

struct Alternating {
  std::string name;
  ObjectiveOptions options;
};
void PrintTo(const Alternating& a, std::ostream* out) { *out << a.name; }

std::vector<Alternating> alternating() {
  std::vector<Alternating> all = {{"began", ObjectiveOptions("began")},
                                  {"ebgan", ObjectiveOptions("ebgan")},
                                  {"pulling_away", ObjectiveOptions("ebgan")},
                                  {"magan", ObjectiveOptions("magan")}};
  for (const std::size_t i : {1, 2}) all[i].options.as<EbganOptions>().margin = 10.0;
  all[2].options.as<EbganOptions>().pulling_away = "squared";
  return all;
}

class Prefetch : public testing::SmallGan, public ::testing::WithParamInterface<Alternating> {
 protected:
  Prefetch() {
    ObjectiveSetting where = setting();
    where.epoch_steps = 4;
    objective_ = make_objective(GetParam().options, *model_, where);
  }
  // Runs prefetch of G's phase while D's weights are NaN.
  [[nodiscard]] Microbatch prefetched_microbatch() const {
    const at::NoGradGuard no_grad;
    std::vector<at::Tensor> weights;
    for (const Parameter& p : gan().discriminator().parameters().all()) {
      weights.push_back(p.value.clone());
      p.value.fill_(std::numeric_limits<double>::quiet_NaN());
    }
    Microbatch batch = microbatch();
    {
      const at::AutoGradMode grad(true);
      prepare(testing::kGeneratorPhase.updates);
      objective_->prefetch(testing::kGeneratorPhase, batch);
    }
    for (std::size_t i = 0; i < weights.size(); ++i)
      gan().discriminator().parameters().all()[i].value.copy_(weights[i]);
    return batch;
  }
  static void expect_equal(const Pass& a, const Pass& b) {
    EXPECT_TRUE(at::equal(a.generator, b.generator));
    EXPECT_TRUE(at::equal(a.discriminator, b.discriminator));
    EXPECT_EQ(a.sums, b.sums);
  }

  std::unique_ptr<Objective> objective_;
};

TEST_P(Prefetch, IsBitwiseEqualAndDoesNotReadD) {
  const Pass expected = run(*objective_, testing::kGeneratorPhase);
  EXPECT_GT(expected.generator.abs().max().item<double>(), 0);
  const Microbatch batch = prefetched_microbatch();
  EXPECT_TRUE(
      at::equal(batch.prefetched(RandomStream::kLatentG), generated(RandomStream::kLatentG)));
  expect_equal(run(*objective_, testing::kGeneratorPhase, batch), expected);
}

TEST_P(Prefetch, PrefetchedImagesAreUsed) {
  Microbatch batch = microbatch();
  prepare(testing::kGeneratorPhase.updates);
  batch.store_prefetched(RandomStream::kLatentG, generated(RandomStream::kLatentD));
  EXPECT_NE(run(*objective_, testing::kGeneratorPhase, batch).sums,
            run(*objective_, testing::kGeneratorPhase).sums);
}

TEST_P(Prefetch, IsUsedForItsOwnStreamOnly) {
  const Pass expected = run(*objective_, testing::kDiscriminatorPhase);
  expect_equal(run(*objective_, testing::kDiscriminatorPhase, prefetched_microbatch()), expected);
  Microbatch none = microbatch();
  objective_->prefetch(testing::kDiscriminatorPhase, none);
  for (const RandomStream stream : {RandomStream::kLatentD, RandomStream::kLatentG})
    EXPECT_FALSE(none.prefetched(stream).defined());
}

INSTANTIATE_TEST_SUITE_P(Objectives, Prefetch, ::testing::ValuesIn(alternating()),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace valley
