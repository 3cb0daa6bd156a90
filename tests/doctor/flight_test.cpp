#include "doctor/flight.h"

#include <gtest/gtest.h>

#include <climits>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "support/put_file.h"
#include "support/temporary_folder.h"

namespace valley::doctor {
namespace {

using nlohmann::json;

json record() {
  return {{"rank", 0},
          {"host", "n01"},
          {"pid", 3300},
          {"time", "2026-11-30T12:00:00Z"},
          {"verdict",
           {{"kind", "stopped"}, {"ranks", {1}}, {"step", 585}, {"text", "rank 1 is stopped"}}},
          {"step", 585},
          {"phase", "D"},
          {"activity", "compute"},
          {"activity_s", 11.5},
          {"collectives",
           {{{"collective", "all-reduce"},
             {"number", 984},
             {"entered_s_ago", 11.5},
             {"left_s_ago", nullptr}}}},
          {"threads", {{{"thread", 3300}, {"frames", {"poll", "MPI_Allreduce"}}}}}};
}

TEST(ExplainFlight, ReadsARecord) {
  const TemporaryFolder folder;
  put_file(folder / "rank-0.json", record().dump());
  const FlightExplanation found = explain_flight(folder.path());
  EXPECT_EQ(found.culprits, std::vector<int>{1});
  EXPECT_EQ(found.step, 585);
  ASSERT_EQ(found.ranks.size(), 1U);
  EXPECT_EQ(found.ranks[0].collective, "all-reduce 984");
  EXPECT_EQ(found.ranks[0].calls, (std::vector<std::string>{"poll", "MPI_Allreduce"}));
}

TEST(ExplainFlight, TakesTheCollectiveThatTheGpuIsIn) {
  const TemporaryFolder folder;
  json queued = record();
  json& calls = queued["collectives"];
  const auto call = [](int number, const json& entered, const json& left) {
    return json{{"collective", "tree reduction"},
                {"number", number},
                {"entered_s_ago", entered},
                {"left_s_ago", left}};
  };
  calls = {call(7, 12.5, 12.25), call(8, 12.0, nullptr), call(9, nullptr, nullptr)};
  put_file(folder / "rank-0.json", queued.dump());
  calls[1] = call(8, nullptr, nullptr);
  put_file(folder / "rank-1.json", queued.dump());
  const FlightExplanation found = explain_flight(folder.path());
  ASSERT_EQ(found.ranks.size(), 2U);
  EXPECT_EQ(found.ranks[0].collective, "tree reduction 8");
  EXPECT_EQ(found.ranks[0].inside_s, 12.0);
  // Before the next one; what was queued is not entered.
  EXPECT_EQ(found.ranks[1].collective, "tree reduction 7");
  EXPECT_EQ(found.ranks[1].inside_s, std::nullopt);
}

TEST(ExplainFlight, NumbersThatCannotBeAreRejectedWithTheFile) {
  const std::vector<std::pair<const char*, json>> damages{
      {"/rank", 1e300},
      {"/rank", 3'000'000'000},
      {"/rank", -1},
      {"/pid", "3300"},
      {"/step", 0.5},
      {"/step", UINT64_MAX},
      {"/verdict/step", 1e19},
      {"/verdict/ranks", json::array({INT_MAX})},
      {"/verdict/ranks", "x"},
      {"/verdict", nullptr},
      {"/collectives/0/number", 1e30},
      {"/threads/0/thread", 1e30},
      {"/threads", 7},
      {"/activity_s", "x"},
  };
  for (const auto& [pointer, value] : damages) {
    const TemporaryFolder folder;
    json damaged = record();
    damaged[json::json_pointer(pointer)] = value;
    put_file(folder / "rank-0.json", damaged.dump());
    try {
      static_cast<void>(explain_flight(folder.path()));
      ADD_FAILURE() << "accepted: " << pointer << " = " << value;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kData) << pointer;
      EXPECT_NE(std::string(error.what()).find("rank-0.json is not a flight record"),
                std::string::npos)
          << error.what();
    }
  }
}

}  // namespace
}  // namespace valley::doctor
