#include "report/goodput.h"

#include <gtest/gtest.h>

#include <limits>
#include <numeric>

#include "report/page_text.h"

namespace valley::report {
namespace {

// Lines of one launch, which share `began`.
class Launch {
 public:
  Launch(double began, std::int64_t step, double startup, bool is_restart = false) {
    line_.began = began;
    line_.is_restart = is_restart;
    add(TimeEvent::kStart, step, TimeKind::kStartup, startup);
  }
  // `seconds` of `kind` have passed since the last line.
  Launch& add(TimeEvent event, std::int64_t step, TimeKind kind, double seconds) {
    line_.event = event;
    line_.step = step;
    line_.seconds[static_cast<std::size_t>(kind)] += seconds;
    line_.time = line_.began + line_.elapsed();
    lines_.push_back(line_);
    return *this;
  }
  Launch& steps(std::int64_t to, double seconds) {
    return add(TimeEvent::kProgress, to, TimeKind::kSteps, seconds);
  }
  [[nodiscard]] const std::vector<TimeLine>& lines() const { return lines_; }
  [[nodiscard]] double end() const { return lines_.back().time; }

 private:
  TimeLine line_;
  std::vector<TimeLine> lines_;
};

Goodput goodput_of(const std::vector<Launch>& launches) {
  std::vector<TimeLine> lines;
  for (const Launch& launch : launches)
    lines.insert(lines.end(), launch.lines().begin(), launch.lines().end());
  return compute_goodput(lines);
}

TEST(Goodput, TimesOfOneLaunchAreItsParts) {
  Launch launch(1000, 0, 4);
  launch.steps(10, 20)
      .add(TimeEvent::kProgress, 10, TimeKind::kDataWait, 2)
      .add(TimeEvent::kSave, 10, TimeKind::kCheckpoints, 3)
      .add(TimeEvent::kProgress, 10, TimeKind::kEvaluation, 5)
      .add(TimeEvent::kProgress, 10, TimeKind::kSamples, 1)
      .add(TimeEvent::kEnd, 10, TimeKind::kOther, 0.5);
  const Goodput found = goodput_of({launch});
  EXPECT_DOUBLE_EQ(found.useful, 20);
  EXPECT_DOUBLE_EQ(found.data_wait, 2);
  EXPECT_DOUBLE_EQ(found.checkpoints, 3);
  EXPECT_DOUBLE_EQ(found.evaluation, 5);
  EXPECT_DOUBLE_EQ(found.samples, 1);
  EXPECT_DOUBLE_EQ(found.startup, 4);
  EXPECT_DOUBLE_EQ(found.other, 0.5);
  EXPECT_DOUBLE_EQ(found.wall(), 35.5);
  EXPECT_DOUBLE_EQ(found.wall(), launch.end() - 1000);
  EXPECT_DOUBLE_EQ(found.share(), 20 / 35.5);
  EXPECT_EQ(found.launches, 1);
  EXPECT_EQ(found.restarts, 0);
}

TEST(Goodput, WorkAfterTheCheckpointOfARestartIsLost) {
  Launch killed(1000, 0, 4);
  killed.steps(10, 20).add(TimeEvent::kSave, 10, TimeKind::kCheckpoints, 1).steps(14, 8);
  Launch next(killed.end() + 7, 10, 3, true);
  next.steps(20, 20).add(TimeEvent::kEnd, 20, TimeKind::kOther, 1);
  const Goodput found = goodput_of({killed, next});
  EXPECT_DOUBLE_EQ(found.lost, 8);
  EXPECT_EQ(found.lost_steps, 4);
  EXPECT_DOUBLE_EQ(found.useful, 40);
  EXPECT_DOUBLE_EQ(found.down, 7);
  EXPECT_DOUBLE_EQ(found.startup, 4);
  EXPECT_DOUBLE_EQ(found.restart_startup, 3);
  EXPECT_DOUBLE_EQ(found.paused, 0);
  EXPECT_EQ(found.restarts, 1);
  EXPECT_DOUBLE_EQ(found.wall(), next.end() - 1000);
}

TEST(Goodput, StepsBetweenTwoLinesHaveTheirMeanDuration) {
  Launch killed(0, 0, 0);
  killed.steps(100, 50).add(TimeEvent::kProgress, 100, TimeKind::kDataWait, 0);
  killed.add(TimeEvent::kProgress, 110, TimeKind::kSteps, 10);
  Launch next(killed.end(), 104, 0);
  const Goodput found = goodput_of({killed, next});
  EXPECT_DOUBLE_EQ(found.lost, 6);
  EXPECT_EQ(found.lost_steps, 6);
  EXPECT_DOUBLE_EQ(found.useful, 54);
}

TEST(Goodput, RestartFromAnOlderCheckpointUndoesEarlierLaunches) {
  Launch first(0, 0, 1);
  first.steps(10, 10).steps(20, 10);
  Launch second(first.end(), 20, 1);
  second.steps(25, 5);
  Launch third(second.end(), 15, 1);  // the checkpoint of step 20 was damaged
  third.steps(30, 15);
  const Goodput found = goodput_of({first, second, third});
  EXPECT_DOUBLE_EQ(found.lost, 10);
  EXPECT_EQ(found.lost_steps, 10);
  EXPECT_DOUBLE_EQ(found.useful, 30);
  EXPECT_DOUBLE_EQ(found.wall(), third.end());
}

TEST(Goodput, RestartFromTheFirstStepLosesAll) {
  Launch first(0, 0, 1);
  first.steps(10, 10).add(TimeEvent::kProgress, 10, TimeKind::kDataWait, 2);
  const Goodput found = goodput_of({first, Launch(first.end() + 1, 0, 1)});
  EXPECT_DOUBLE_EQ(found.lost, 12);
  EXPECT_EQ(found.lost_steps, 10);
  EXPECT_DOUBLE_EQ(found.useful, 0);
  EXPECT_DOUBLE_EQ(found.data_wait, 0);
}

TEST(Goodput, PauseOfTheUserIsNotAFailure) {
  Launch stopped(0, 0, 2);
  stopped.steps(10, 10).add(TimeEvent::kEnd, 10, TimeKind::kCheckpoints, 1);
  Launch resumed(stopped.end() + 5000, 10, 2);
  resumed.steps(20, 10);
  const Goodput found = goodput_of({stopped, resumed});
  EXPECT_DOUBLE_EQ(found.paused, 5000);
  EXPECT_DOUBLE_EQ(found.down, 0);
  EXPECT_DOUBLE_EQ(found.startup, 4);
  EXPECT_EQ(found.restarts, 0);
  EXPECT_DOUBLE_EQ(found.wall(), 25);
}

TEST(Goodput, OrderlyEndWithAnAutomaticRestartIsNotAPause) {
  Launch stopped(0, 0, 2);  // by launch/restarts.sh, to continue with more hosts
  stopped.steps(10, 10).add(TimeEvent::kEnd, 10, TimeKind::kCheckpoints, 1);
  const Goodput found = goodput_of({stopped, Launch(stopped.end() + 6, 10, 3, true)});
  EXPECT_DOUBLE_EQ(found.down, 6);
  EXPECT_DOUBLE_EQ(found.restart_startup, 3);
  EXPECT_DOUBLE_EQ(found.paused, 0);
  EXPECT_EQ(found.restarts, 1);
}

TEST(Goodput, RescueUndoesStepsOfItsLaunch) {
  Launch launch(0, 0, 1);
  launch.steps(100, 50).steps(130, 15);
  // Steps after that line, before the loss was seen.
  launch.add(TimeEvent::kRescue, 80, TimeKind::kSteps, 2);
  launch.steps(90, 5);
  const Goodput found = goodput_of({launch});
  EXPECT_DOUBLE_EQ(found.lost, 2 + 15 + 10);
  EXPECT_EQ(found.lost_steps, 50);
  EXPECT_DOUBLE_EQ(found.useful, 40 + 5);
  EXPECT_DOUBLE_EQ(found.wall(), launch.end());
}

TEST(Goodput, ClocksOfHostsThatDifferDoNotGiveNegativeTimes) {
  Launch first(1000, 0, 1);
  first.steps(10, 10);
  const Goodput found = goodput_of({first, Launch(900, 10, 1)});
  EXPECT_DOUBLE_EQ(found.down, 0);
  EXPECT_DOUBLE_EQ(found.wall(), 12);
}

TEST(Goodput, TimeOfALaunchWithoutItsStartLineIsKept) {
  Launch launch(0, 0, 1);
  launch.steps(10, 10).steps(12, 2);
  std::vector<TimeLine> lines = launch.lines();
  lines.erase(lines.begin());
  EXPECT_DOUBLE_EQ(compute_goodput(lines).wall(), 13);
  EXPECT_DOUBLE_EQ(compute_goodput(lines).useful, 12);
}

TEST(Goodput, OfNoLinesIsZero) {
  EXPECT_EQ(compute_goodput({}).wall(), 0);
  EXPECT_EQ(compute_goodput({}).share(), 0);
  EXPECT_EQ(time_section({RunFiles{}}), "");
}

TEST(Goodput, PartsAddUpToTheWallTime) {
  Launch first(0, 0, 1);
  first.steps(10, 10).add(TimeEvent::kProgress, 10, TimeKind::kEvaluation, 3);
  const Goodput found = goodput_of({first, Launch(first.end() + 2, 5, 4)});
  double sum = -found.paused;
  for (const TimePart& part : parts_of(found)) sum += part.seconds;
  EXPECT_DOUBLE_EQ(sum, found.wall());
}

TEST(TimeSection, ShowsPartsWithoutPausesInTheBar) {
  Launch stopped(0, 0, 2);
  stopped.steps(10, 197.9).add(TimeEvent::kEnd, 10, TimeKind::kCheckpoints, 0.1);
  RunFiles run;
  run.time = goodput_of({stopped, Launch(stopped.end() + 7200, 10, 0)});
  const std::string html = time_section({run});
  EXPECT_NE(html.find("Goodput 98.9 %: 3 min 18 s of 3 min 20 s"), std::string::npos) << html;
  EXPECT_NE(html.find("<span class=\"useful\" style=\"flex-grow:0.989500\""), std::string::npos);
  EXPECT_EQ(html.find("<span class=\"paused\""), std::string::npos);
  EXPECT_NE(html.find("Paused</th><td>2 h 00 min</td><td>–</td>"), std::string::npos);
  EXPECT_EQ(html.find("Lost work</th>"), std::string::npos) << "parts without time are left out";
}

}  // namespace
}  // namespace valley::report
