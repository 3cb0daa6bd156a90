#include "flight/trace_recorder.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>

#include "flight/flight_recorder.h"

namespace valley {
namespace {

class Tracing : public ::testing::Test {
 protected:
  Tracing() { trace_recorder().switch_on(true); }
  ~Tracing() override {
    trace_recorder().switch_on(false);
    static_cast<void>(trace_recorder().take());
  }
};

TEST_F(Tracing, ScopesAreNestedAndHaveTheStep) {
  flight_recorder().set_step(5);
  {
    const TraceScope outer(TraceRow::kSteps, "outer", 6);
    const TraceScope inner(TraceRow::kSteps, std::string("inner"));
  }
  const auto events = trace_recorder().take().kept;
  ASSERT_EQ(events.size(), 2);
  EXPECT_STREQ(events[0].name, "inner");
  EXPECT_EQ(events[0].step, 5);
  EXPECT_STREQ(events[1].name, "outer");
  EXPECT_EQ(events[1].step, 6);
  EXPECT_LE(events[1].begin_s, events[0].begin_s);
  EXPECT_LE(events[0].begin_s, events[0].end_s);
  EXPECT_LE(events[0].end_s, events[1].end_s);
}

TEST_F(Tracing, CollectivesHavePhaseAndBytes) {
  flight_recorder().set_step(7);
  flight_recorder().set_phase("D");
  const std::int64_t number =
      flight_recorder().enter(0, {CollectiveKind::kAllReduce, "Float", 100, 400, 0});
  flight_recorder().leave(0, number);
  const auto events = trace_recorder().take().kept;
  ASSERT_EQ(events.size(), 1);
  EXPECT_EQ(events[0].row, TraceRow::kCollectives);
  EXPECT_STREQ(events[0].name, "all-reduce");
  EXPECT_STREQ(events[0].phase, "D");
  EXPECT_EQ(events[0].step, 7);
  EXPECT_EQ(events[0].bytes, 400);
}

TEST_F(Tracing, ActivitiesWithARowAreRecorded) {
  flight_recorder().set_step(3);
  flight_recorder().set_activity(Activity::kLoader);
  flight_recorder().set_activity(Activity::kCompute);
  { const ActivityScope saving(Activity::kCheckpoint); }
  const auto events = trace_recorder().take().kept;
  ASSERT_EQ(events.size(), 2);
  EXPECT_EQ(events[0].row, TraceRow::kLoader);
  EXPECT_EQ(events[0].step, 4);  // waiting for images is of the step that uses them
  EXPECT_EQ(events[1].row, TraceRow::kPauses);
  EXPECT_STREQ(events[1].name, "saving a checkpoint");
}

TEST_F(Tracing, NothingIsRecordedWhileItIsOff) {
  trace_recorder().switch_on(false);
  { const TraceScope scope(TraceRow::kSteps, "step", 1); }
  flight_recorder().leave(0, flight_recorder().enter(0, {}));
  EXPECT_TRUE(trace_recorder().take().kept.empty());
}

TEST_F(Tracing, EventsBeyondTheLimitAreCounted) {
  for (std::size_t i = 0; i < TraceRecorder::kMaxEvents + 3; ++i)
    trace_recorder().add({TraceRow::kSteps, "x", "", 1, -1, 0, 0});
  const auto events = trace_recorder().take();
  EXPECT_EQ(events.kept.size(), TraceRecorder::kMaxEvents);
  EXPECT_EQ(events.dropped, 3);
  EXPECT_EQ(trace_recorder().take().dropped, 0);
}

TEST(ReaderRow, IsOnePerThread) {
  const TraceRow own = reader_row();
  EXPECT_EQ(reader_row(), own);
  TraceRow other = own;
  std::thread([&] { other = reader_row(); }).join();
  EXPECT_NE(other, own);
}

TEST(CollectiveSeconds, CountTheCallsOfTheThread) {
  const double before = collective_seconds();
  const std::int64_t number = flight_recorder().enter(0, {});
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  flight_recorder().leave(0, number);
  EXPECT_GE(collective_seconds() - before, 0.02);
  double elsewhere = -1;
  std::thread([&] { elsewhere = collective_seconds(); }).join();
  EXPECT_EQ(elsewhere, 0);
}

}  // namespace
}  // namespace valley
