#include "plan/microbatches.h"

#include <gtest/gtest.h>

#include <string>

#include "core/error.h"

namespace valley {
namespace {

std::string rejection(std::int64_t batch, AutoInt microbatch, int ranks, bool reproducible) {
  try {
    static_cast<void>(plan_microbatches(batch, microbatch, ranks, reproducible));
    return "";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::kConfig);
    return e.what();
  }
}

TEST(Microbatches, AutoIsWholeShareOfRank) {
  const MicrobatchPlan plan = plan_microbatches(16, std::nullopt, 4, false);
  EXPECT_EQ(plan.size, 4);
  EXPECT_EQ(plan.per_rank, 1);
  EXPECT_EQ(plan.share(), 4);
  EXPECT_EQ(plan.weight(), 0.25);
}

TEST(Microbatches, AreDividedEvenly) {
  const MicrobatchPlan plan = plan_microbatches(48, 4, 3, false);
  EXPECT_EQ(plan.count(), 12);
  EXPECT_EQ(plan.per_rank, 4);
}

TEST(Microbatches, ErrorNamesValueThatWorks) {
  EXPECT_NE(rejection(16, std::nullopt, 3, false).find("train.global_batch = 15 works"),
            std::string::npos);
  EXPECT_NE(rejection(16, 5, 1, false).find("train.global_batch = 15 works"), std::string::npos);
  EXPECT_NE(rejection(16, 8, 4, false).find("divided evenly among 4 ranks"), std::string::npos);
  EXPECT_NE(rejection(24, 2, 2, true).find("power-of-two number of microbatches"),
            std::string::npos);
  EXPECT_NE(rejection(24, 2, 2, true).find("train.global_batch = 16 works"), std::string::npos);
  EXPECT_NE(rejection(48, 3, 3, true).find("launch 2 ranks"), std::string::npos);
  EXPECT_NE(rejection(16, 8, 4, true).find("launch 2 ranks"), std::string::npos);
  EXPECT_EQ(rejection(16, 2, 8, true), "");
}

TEST(Microbatches, ShrinkToFitMemory) {
  const MicrobatchPlan plan = plan_microbatches(64, std::nullopt, 2, false);
  const MicrobatchPlan fitted = fit_to_memory(plan, 10, 85);
  EXPECT_EQ(fitted.size, 8);
  EXPECT_EQ(fitted.per_rank, 4);
  EXPECT_EQ(fitted.share(), plan.share());
  EXPECT_EQ(fit_to_memory(plan, 10, 1000).size, 32);
  EXPECT_EQ(fit_to_memory(plan, 10, -1).size, 1);
}

TEST(Microbatches, ShrinkToLargestDivisorIncludingOdd) {
  const MicrobatchPlan plan = plan_microbatches(90, std::nullopt, 2, false);
  for (const auto& [memory, size] :
       {std::pair{450, 45}, {449, 15}, {149, 9}, {89, 5}, {49, 3}, {10, 1}}) {
    const MicrobatchPlan fitted = fit_to_memory(plan, 10, memory);
    EXPECT_EQ(fitted.size, size) << memory;
    EXPECT_EQ(fitted.share(), plan.share()) << memory;
  }
}

}  // namespace
}  // namespace valley
