#include "run/trace_text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace valley {
namespace {

nlohmann::json parsed(const std::string& text) {
  EXPECT_TRUE(text.ends_with(",\n"));
  return nlohmann::json::parse("[" + text.substr(0, text.size() - 2) + "]");
}

TEST(TraceText, HasNamesAndEventsOfTheRank) {
  const std::vector<TraceEvent> events = {
      {TraceRow::kCollectives, "all-reduce", "D", 12, 4096, 100.0000015, 100.000003},
      {TraceRow::kSteps, "step", "", 12, -1, 100, 100.5}};
  const nlohmann::json found = parsed(trace_of_rank(3, "n01", events, 100));
  ASSERT_EQ(found.size(), 8);
  EXPECT_EQ(found[0], (nlohmann::json{{"name", "process_name"},
                                      {"ph", "M"},
                                      {"pid", 3},
                                      {"tid", 0},
                                      {"args", {{"name", "rank 3 (host n01)"}}}}));
  EXPECT_EQ(found[1]["name"], "process_sort_index");
  EXPECT_EQ(found[2]["name"], "thread_name");
  EXPECT_EQ(found[2]["args"]["name"], "steps");
  EXPECT_EQ(found[4]["args"]["name"], "collectives");
  EXPECT_EQ(found[6], (nlohmann::json{{"name", "all-reduce"},
                                      {"cat", "collectives"},
                                      {"ph", "X"},
                                      {"pid", 3},
                                      {"tid", 2},
                                      {"ts", 1.5},
                                      {"dur", 1.5},
                                      {"args", {{"step", 12}, {"phase", "D"}, {"bytes", 4096}}}}));
  EXPECT_EQ(found[7]["dur"], 500000.0);
  EXPECT_FALSE(found[7]["args"].contains("bytes"));
}

TEST(TraceText, NestedEventsStayNestedInRoundedTimes) {
  const double begin = 59024.123456789;
  std::vector<TraceEvent> events;
  for (int i = 0; i < 1000; ++i) {
    const double at = begin + 1.2345e-7 * i;
    events.push_back({TraceRow::kSteps, "outer", "", 1, -1, at, at + 1.1e-7});
    events.push_back({TraceRow::kSteps, "inner", "", 1, -1, at, at + 1.1e-7});
  }
  const nlohmann::json found = parsed(trace_of_rank(0, "h", events, begin - 1.7e-9));
  for (std::size_t i = 4; i < found.size(); i += 2) {
    EXPECT_EQ(found[i]["ts"], found[i + 1]["ts"]);
    EXPECT_EQ(found[i]["dur"], found[i + 1]["dur"]);
  }
}

TEST(TraceText, EscapesHostNames) {
  EXPECT_EQ(parsed(trace_of_rank(0, "a\"b\n", {}, 0))[0]["args"]["name"], "rank 0 (host a\"b\n)");
}

}  // namespace
}  // namespace valley
