// What G's update does before D's has been taken, of each objective that alternates between them.
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

class PassAhead : public testing::SmallGan, public ::testing::WithParamInterface<Alternating> {
 protected:
  PassAhead() {
    ObjectiveSetting where = setting();
    where.epoch_steps = 4;
    objective_ = make_objective(GetParam().options, *model_, where);
  }
  // Of G's phase, while nothing can be read of D.
  [[nodiscard]] Microbatch passed_ahead() const {
    const at::NoGradGuard no_grad;
    std::vector<at::Tensor> weights;
    for (const Parameter& p : gan().discriminator().parameters().all()) {
      weights.push_back(p.value.clone());
      p.value.fill_(std::numeric_limits<double>::quiet_NaN());
    }
    Microbatch ahead = microbatch();
    {
      const at::AutoGradMode grad(true);
      prepare(testing::kGeneratorPhase.updates);
      objective_->pass_ahead(testing::kGeneratorPhase, ahead);
    }
    for (std::size_t i = 0; i < weights.size(); ++i)
      gan().discriminator().parameters().all()[i].value.copy_(weights[i]);
    return ahead;
  }
  static void expect_equal(const Pass& a, const Pass& b) {
    EXPECT_TRUE(at::equal(a.generator, b.generator));
    EXPECT_TRUE(at::equal(a.discriminator, b.discriminator));
    EXPECT_EQ(a.sums, b.sums);
  }

  std::unique_ptr<Objective> objective_;
};

TEST_P(PassAhead, HasTheBitsOfOnePassAndReadsNothingOfD) {
  const Pass expected = run(*objective_, testing::kGeneratorPhase);
  EXPECT_GT(expected.generator.abs().max().item<double>(), 0);
  const Microbatch ahead = passed_ahead();
  EXPECT_TRUE(
      at::equal(ahead.kept_ahead(RandomStream::kLatentG), generated(RandomStream::kLatentG)));
  expect_equal(run(*objective_, testing::kGeneratorPhase, ahead), expected);
}

TEST_P(PassAhead, IsWhatTheRestOfThePassGoesOnFrom) {
  Microbatch ahead = microbatch();
  prepare(testing::kGeneratorPhase.updates);
  ahead.keep_ahead(RandomStream::kLatentG, generated(RandomStream::kLatentD));
  EXPECT_NE(run(*objective_, testing::kGeneratorPhase, ahead).sums,
            run(*objective_, testing::kGeneratorPhase).sums);
}

TEST_P(PassAhead, IsForItsOwnLatentsAlone) {
  const Pass expected = run(*objective_, testing::kDiscriminatorPhase);
  expect_equal(run(*objective_, testing::kDiscriminatorPhase, passed_ahead()), expected);
  Microbatch none = microbatch();
  objective_->pass_ahead(testing::kDiscriminatorPhase, none);
  for (const RandomStream stream : {RandomStream::kLatentD, RandomStream::kLatentG})
    EXPECT_FALSE(none.kept_ahead(stream).defined());
}

INSTANTIATE_TEST_SUITE_P(Objectives, PassAhead, ::testing::ValuesIn(alternating()),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace valley
