// Audits (train/audit.h) on several ranks: they find a bit that flips on one rank, name the rank,
// and do not change the training.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "support/small_dbn.h"
#include "support/small_ebm.h"
#include "support/small_gans.h"
#include "train/audited_training.h"

namespace valley {
namespace {

using testing::AuditedTraining;
using testing::Break;
using ::testing::HasSubstr;
using testing::world;

Experiment reproducible(Experiment e) {
  e.train.reproducible = true;
  return e;
}

// Trainings of all methods, those with chains among them.
std::vector<testing::NamedTraining> all_trainings() {
  std::vector<testing::NamedTraining> all = testing::small_gans();
  all.push_back({"ebm", testing::small_ebm()});
  all.push_back({"regularized_ebm", testing::small_regularized_ebm()});
  all.push_back({"dbn", testing::small_dbn(false)});
  all.push_back({"persistent_dbn", testing::small_dbn(true, true)});
  return all;
}

class Audits : public ::testing::TestWithParam<testing::NamedTraining> {};

TEST_P(Audits, FindNothingInASoundTrainingAndDoNotChangeIt) {
  const auto train = [](std::int64_t every) {
    AuditedTraining training(reproducible(GetParam().experiment), testing::kPass, every);
    const auto found = training.run(testing::kDbnSteps);
    EXPECT_FALSE(found.has_value()) << found->what;
    EXPECT_EQ(training.auditor().confirmed_step(), every == 0 ? 0 : testing::kDbnSteps);
    return training.trainer().digest();
  };
  EXPECT_EQ(train(1), train(0));
}

INSTANTIATE_TEST_SUITE_P(All, Audits, ::testing::ValuesIn(all_trainings()), testing::name_of);

TEST(AuditsInTheDefaultMode, FindNothingInASoundTraining) {
  AuditedTraining training(testing::small_experiment(), testing::kPass, 1);
  const auto found = training.run(6);
  EXPECT_FALSE(found.has_value()) << found->what;
}

// Rank 0 alone estimates the running moments of the averaged generator, for its samples.
TEST(AuditsAndSamples, AllowRunningMomentsOfAveragesOnRankZeroOnly) {
  AuditedTraining training(reproducible(testing::experiment_with(testing::BufferKind::kBatchNorm)),
                           testing::kPass, 1);
  for (int i = 0; i < 3; ++i) {
    if (world().rank() == 0) static_cast<void>(training.trainer().sample(4));
    const auto found = training.run(1);
    EXPECT_FALSE(found.has_value()) << found->what;
  }
}

// The rank that is wrong is named if there is a majority.
void expect_suspects(const AuditedTraining::Found& found, int rank) {
  if (world().size() > 2) {
    EXPECT_EQ(found.suspects, std::vector{rank}) << found.what;
  } else {
    EXPECT_EQ(found.suspects, (std::vector{0, 1})) << found.what;
  }
}

class BrokenRank : public ::testing::TestWithParam<std::string> {};

// With an audit of every step, a broken bit is found before it can vanish.
TEST_P(BrokenRank, IsFoundAndNamed) {
  for (const char* method : {"began", "ebm"}) {
    const Experiment e =
        std::string(method) == "began" ? testing::small_experiment() : testing::small_ebm();
    for (int trial = 0; trial < 4; ++trial) {
      const Break broken{GetParam(), trial % world().size(), 1 + trial,
                         hash64(hash64(GetParam()), static_cast<std::uint64_t>(trial), 1)};
      AuditedTraining training(reproducible(e), testing::kPass, 1);
      training.set_break(broken);
      const auto found = training.run(8);
      ASSERT_TRUE(found.has_value()) << method << ", trial " << trial;
      EXPECT_EQ(found->step, broken.from) << found->what;
      expect_suspects(*found, broken.rank);
      EXPECT_EQ(training.auditor().confirmed_step(), broken.from);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, BrokenRank,
                         ::testing::Values("weights", "moments", "gradients", "pixels"),
                         [](const auto& i) { return i.param; });

TEST(BrokenRankText, NamesTensorStepAndMicrobatch) {
  AuditedTraining weights(reproducible(testing::small_experiment()), testing::kPass, 2);
  weights.set_break({"weights", 1, 2, 0});
  const auto replica = weights.run(8);
  ASSERT_TRUE(replica.has_value());
  EXPECT_THAT(replica->what, HasSubstr("discriminator."));
  EXPECT_THAT(replica->what, HasSubstr("before step 4"));

  AuditedTraining gradients(reproducible(testing::small_experiment()), testing::kPass, 2);
  gradients.set_break({"gradients", 1, 2, 0});
  const auto gradient = gradients.run(8);
  ASSERT_TRUE(gradient.has_value());
  EXPECT_THAT(gradient->what, HasSubstr("D's gradients of rank"));
  EXPECT_THAT(gradient->what, HasSubstr("(discriminator."));
  EXPECT_THAT(gradient->what, HasSubstr("of step 4"));
  if (world().size() > 2) {
    EXPECT_THAT(gradient->what, HasSubstr("so that rank 1 is wrong"));
  } else {
    EXPECT_THAT(gradient->what, HasSubstr("no third rank"));
  }
}

// Multiplies the gradients of one rank.
AuditedTraining scaled_training(const Experiment& e, int rank, double factor) {
  return {e, testing::kPass, 1, [rank, factor](Trainer& trainer, const Phase& phase) {
            if (world().rank() != rank) return;
            for (const std::string& name : phase.updates)
              for (const Parameter& p : trainer.model().network(name).parameters().all())
                p.value.grad().mul_(factor);
          }};
}

TEST(AuditsWithTolerance, AllowRoundingButFindLargeErrors) {
  const Experiment e = testing::small_experiment();
  auto rounding = scaled_training(e, 1, 1 + 1e-5);
  EXPECT_FALSE(rounding.run(4).has_value());
  auto wrong = scaled_training(e, 1, 1.1);
  const auto found = wrong.run(4);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->step, 0);
  expect_suspects(*found, 1);
}

// Processors of several kinds: the first audit finds that gradients differ in rounding.
TEST(AuditsWithTolerance, FollowAFirstAuditThatFindsRounding) {
  auto training = scaled_training(reproducible(testing::small_experiment()), 1, 1 + 1e-5);
  const auto found = training.run(4);
  EXPECT_FALSE(found.has_value()) << found->what;
}

// tests/chaos/corruption.py: many random breaks, audits every 10 steps. VALLEY_AUDIT_TRIALS: number
// per kind.
TEST(AuditTrials, FindBrokenBits) {
  const char* wanted = std::getenv("VALLEY_AUDIT_TRIALS");
  const int trials = wanted == nullptr ? 2 : std::atoi(wanted);
  constexpr std::int64_t kEvery = 10;
  for (const std::string kind : {"weights", "moments", "gradients", "pixels"}) {
    int found_in_time = 0, named = 0, vanished = 0;
    for (int trial = 0; trial < trials; ++trial) {
      const std::uint64_t draw = hash64(hash64(kind), static_cast<std::uint64_t>(trial), 2);
      const Break broken{kind, static_cast<int>(draw % static_cast<std::uint64_t>(world().size())),
                         1 + static_cast<std::int64_t>(mix64(draw) % kEvery), mix64(draw + 1)};
      AuditedTraining training(reproducible(trial % 2 == 0 ? testing::small_experiment()
                                                           : testing::small_objective("ebgan")),
                               testing::kPass, kEvery);
      training.set_break(broken);
      const auto found = training.run(2 * kEvery);
      if (!found) {
        ++vanished;  // all replicas are equal again
        continue;
      }
      found_in_time += found->step < broken.from + kEvery ? 1 : 0;
      const bool is_named = std::ranges::count(found->suspects, broken.rank) == 1 &&
                            (world().size() == 2 || found->suspects.size() == 1);
      named += is_named ? 1 : 0;
    }
    if (world().rank() == 0)
      std::cout << "trials " << kind << ": " << trials << ", found within " << kEvery
                << " steps: " << found_in_time << ", rank named: " << named
                << ", vanished: " << vanished << '\n';
    EXPECT_EQ(found_in_time + vanished, trials) << kind;
    EXPECT_EQ(named, found_in_time) << kind;
    // A difference in the last bits of a first moment can be rounded away within a few steps.
    EXPECT_LE(vanished, kind == "moments" ? trials / 2 : 0) << kind;
  }
}

// VALLEY_AUDIT_STEPS: number of audited steps without a false alarm.
TEST(AuditTrials, HaveNoFalseAlarm) {
  const char* wanted = std::getenv("VALLEY_AUDIT_STEPS");
  const std::int64_t steps = wanted == nullptr ? 20 : std::atoll(wanted);
  Experiment e = reproducible(testing::small_experiment());
  e.train.ema_half_life = 0;
  AuditedTraining training(e, testing::kPass, 1);
  const auto found = training.run(steps);
  EXPECT_FALSE(found.has_value()) << found->what << " after " << found->step << " steps";
}

}  // namespace
}  // namespace valley
