#include "experiment/trace_range.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace valley {
namespace {

TEST(TraceRange, IsAbsentForEmptyText) { EXPECT_FALSE(parse_trace_range("", "train.trace")); }

TEST(TraceRange, HoldsBothSteps) {
  const auto range = parse_trace_range("100-110", "train.trace");
  ASSERT_TRUE(range);
  EXPECT_FALSE(range->contains(99));
  EXPECT_TRUE(range->contains(100));
  EXPECT_TRUE(range->contains(110));
  EXPECT_FALSE(range->contains(111));
  EXPECT_TRUE(parse_trace_range("7-7", "train.trace")->contains(7));
}

TEST(TraceRange, RejectsOtherTextNamingTheKey) {
  for (const char* text : {"100", "-", "0-5", "5-4", "1-", "-3", "a-b", "1 - 2", "1-2-3", "-1-3",
                           "99999999999999999999-1"}) {
    try {
      static_cast<void>(parse_trace_range(text, "train.trace (x.toml:3)"));
      FAIL() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kConfig);
      const std::string message = error.what();
      EXPECT_NE(message.find("train.trace (x.toml:3) = \"" + std::string(text) + "\""),
                std::string::npos);
      EXPECT_NE(message.find("\"100-110\""), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace valley
