#include "flight/verdict.h"

#include <gtest/gtest.h>

namespace valley {
namespace {

// A rank that has left `left` collectives of the host channel and is in the next one, or computes.
RankView view_of(int rank, std::int64_t left, bool is_inside,
                 Activity activity = Activity::kCompute) {
  RankView view;
  view.rank = rank;
  RankReport report;
  report.rank = rank;
  report.host = "n" + std::to_string(rank / 2);
  report.pid = 1000 + rank;
  report.state.step = 12;
  report.state.activity = activity;
  report.activity_s = 61;
  const std::int64_t entered = left + (is_inside ? 1 : 0);
  report.state.channels[0] = {entered, entered, left};
  for (std::int64_t n = 1; n <= entered; ++n)
    report.collectives.push_back({0,
                                  n,
                                  {CollectiveKind::kAllReduce, "float", 100 * n, 400 * n, 0},
                                  "D",
                                  12,
                                  1,
                                  1,
                                  n <= left ? 2.0 : 0.0});
  view.report = report;
  view.process = 'S';
  return view;
}

TEST(Verdict, NamesARankThatIsStillInTheLoader) {
  const Verdict verdict =
      judge({view_of(0, 7, true), view_of(1, 7, false, Activity::kLoader), view_of(2, 7, true)});
  EXPECT_EQ(verdict.kind, HangKind::kLoader);
  EXPECT_EQ(verdict.ranks, std::vector<int>{1});
  EXPECT_EQ(verdict.step, 12);
  EXPECT_EQ(verdict.collective, "all-reduce 8 of 800 float (3.1 KiB) in phase D of step 12");
  EXPECT_EQ(verdict.text,
            "rank 1 (host n0, process 1001) has been waiting for images for 61 s in step 12; ranks "
            "0, 2 wait in all-reduce 8 of 800 float (3.1 KiB) in phase D of step 12");
}

TEST(Verdict, NamesARankThatComputes) {
  const Verdict verdict = judge({view_of(0, 3, true), view_of(1, 2, false)});
  EXPECT_EQ(verdict.kind, HangKind::kComputing);
  EXPECT_EQ(verdict.ranks, std::vector<int>{1});
}

TEST(Verdict, NamesARankWhoseGpuDoesNotReachTheCollective) {
  RankView slow = view_of(1, 2, false, Activity::kLoader);
  slow.report->state.channels[0].called = 5;  // queued
  const Verdict verdict = judge({view_of(0, 2, true), slow});
  EXPECT_EQ(verdict.kind, HangKind::kComputing);
  EXPECT_EQ(verdict.ranks, std::vector<int>{1});
  EXPECT_EQ(verdict.text,
            "rank 1 (host n0, process 1001) has kernels or copies on its GPU that do not end; rank "
            "0 (host n0, process 1000) waits in all-reduce 3 of 300 float (1.2 KiB) in phase D of "
            "step 12");
}

TEST(Verdict, NamesAStoppedRank) {
  RankView stopped = view_of(1, 7, false);
  stopped.silent_s = 30;
  stopped.process = 'T';
  const Verdict verdict = judge({view_of(0, 7, true), stopped});
  EXPECT_EQ(verdict.kind, HangKind::kStopped);
  EXPECT_EQ(verdict.ranks, std::vector<int>{1});
  EXPECT_NE(verdict.text.find("kill -CONT 1001"), std::string::npos);
  EXPECT_NE(verdict.text.find("rank 0 (host n0, process 1000) waits in all-reduce 8"),
            std::string::npos);
}

TEST(Verdict, TakesTheCollectiveFromRanksThatAnswer) {
  RankView stopped = view_of(1, 3, true);  // an old report
  stopped.silent_s = 30;
  stopped.process = 'T';
  const Verdict verdict = judge({view_of(0, 7, true), stopped, view_of(2, 7, true)});
  EXPECT_EQ(verdict.kind, HangKind::kStopped);
  EXPECT_EQ(verdict.collective, "all-reduce 8 of 800 float (3.1 KiB) in phase D of step 12");
  EXPECT_NE(verdict.text.find("ranks 0, 2 wait in"), std::string::npos);
}

TEST(Verdict, NamesADeadRankBeforeAStoppedOne) {
  RankView stopped = view_of(1, 7, false);
  stopped.silent_s = 30;
  stopped.process = 'T';
  RankView dead = view_of(2, 7, false);
  dead.is_gone = true;
  dead.is_connected = false;
  const Verdict verdict = judge({view_of(0, 7, true), stopped, dead});
  EXPECT_EQ(verdict.kind, HangKind::kDead);
  EXPECT_EQ(verdict.ranks, std::vector<int>{2});
}

TEST(Verdict, NamesRanksOfAHostThatIsUnreachable) {
  std::vector<RankView> views;
  for (int rank = 0; rank < 4; ++rank) views.push_back(view_of(rank, 7, rank < 2));
  for (int rank = 2; rank < 4; ++rank) {
    views[static_cast<std::size_t>(rank)].silent_s = 40;
    views[static_cast<std::size_t>(rank)].process.reset();
  }
  const Verdict verdict = judge(views);
  EXPECT_EQ(verdict.kind, HangKind::kUnreachable);
  EXPECT_EQ(verdict.ranks, (std::vector<int>{2, 3}));
}

TEST(Verdict, NamesRanksThatCalledAnotherCollective) {
  std::vector<RankView> views;
  for (int rank = 0; rank < 3; ++rank) views.push_back(view_of(rank, 7, true));
  views[2].report->collectives.back().call = {CollectiveKind::kBarrier, "", 0, 0, 0};
  const Verdict verdict = judge(views);
  EXPECT_EQ(verdict.kind, HangKind::kMismatch);
  EXPECT_EQ(verdict.ranks, std::vector<int>{2});
  EXPECT_NE(verdict.text.find("called barrier 8"), std::string::npos);
}

TEST(Verdict, BlamesTheNetworkIfAllRanksAreInTheSameCollective) {
  const Verdict verdict = judge({view_of(0, 7, true), view_of(1, 7, true)});
  EXPECT_EQ(verdict.kind, HangKind::kNetwork);
  EXPECT_TRUE(verdict.ranks.empty());
}

TEST(Verdict, SaysThatAllRanksAreBusy) {
  const Verdict verdict =
      judge({view_of(0, 7, false, Activity::kEvaluate), view_of(1, 7, false, Activity::kEvaluate)});
  EXPECT_EQ(verdict.kind, HangKind::kBusy);
  EXPECT_EQ(verdict.ranks, (std::vector<int>{0, 1}));
}

TEST(RankReport, SurvivesJson) {
  const RankReport before = *view_of(3, 2, true, Activity::kLoader).report;
  const auto after = parse_rank_report(to_json_line(before));
  ASSERT_TRUE(after.has_value());
  EXPECT_EQ(after->host, before.host);
  EXPECT_EQ(after->state.activity, Activity::kLoader);
  ASSERT_EQ(after->collectives.size(), 3U);
  EXPECT_EQ(after->collectives[2].call, before.collectives[2].call);
  EXPECT_EQ(after->collectives[2].left_s, 0);
  for (const char* wrong : {"", "{}", "[1]", "{\"rank\": \"x\"}", "null"})
    EXPECT_FALSE(parse_rank_report(wrong).has_value()) << wrong;
}

}  // namespace
}  // namespace valley
