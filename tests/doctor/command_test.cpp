#include "doctor/command.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <thread>

namespace valley::doctor {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

CommandResult shell(const std::string& script, milliseconds limit = seconds(20)) {
  return run_command({"/bin/sh", "-c", script}, {{"ADDED", "by the caller"}}, limit);
}

TEST(Command, ReturnsBothStreamsAndExitCode) {
  const CommandResult result = shell("echo out; echo err >&2; echo $ADDED; exit 3");
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.out, "out\nby the caller\n");
  EXPECT_EQ(result.err, "err\n");
  EXPECT_FALSE(result.succeeded());
  EXPECT_FALSE(result.timed_out);
}

TEST(Command, StdinIsEmpty) { EXPECT_EQ(shell("cat; echo end").out, "end\n"); }

TEST(Command, ReadsOutputLargerThanAPipe) {
  EXPECT_EQ(shell("head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2").out.size(), 300000U);
}

TEST(Command, ReportsTheSignal) { EXPECT_EQ(shell("kill -9 $$").exit_code, 128 + 9); }

TEST(Command, ReportsWhyItCannotStart) {
  const CommandResult result = run_command({"/nonexistent/program"}, {}, seconds(5));
  EXPECT_EQ(result.exit_code, 127);
  EXPECT_NE(result.err.find("No such file"), std::string::npos);
}

TEST(Command, KillsHangingProgramWithItsChildren) {
  const auto start = Clock::now();
  // The shell passes TERM over, and so does the child that it waits for.
  const CommandResult result =
      shell("trap '' TERM; sleep 60 & echo $!; wait; wait; sleep 60", milliseconds(300));
  EXPECT_TRUE(result.timed_out);
  EXPECT_FALSE(result.succeeded());
  EXPECT_LT(Clock::now() - start, seconds(15));
  const int child = std::stoi(result.out);
  for (int i = 0; i < 100 && ::kill(child, 0) == 0; ++i) {
    std::ifstream status("/proc/" + std::to_string(child) + "/stat");
    const std::string text{std::istreambuf_iterator<char>(status), {}};
    if (text.find(") Z ") != std::string::npos) return;  // a zombie: ended, not yet waited for
    std::this_thread::sleep_for(milliseconds(50));
  }
  EXPECT_NE(::kill(child, 0), 0) << "its child lives on";
}

TEST(Command, FirstTextLineSkipsRulers) {
  EXPECT_EQ(first_text_line("-----\n\n  \nmpirun has failed\nmore"), "mpirun has failed");
  EXPECT_EQ(first_text_line("---\n"), "");
}

TEST(Command, FindsProgramsOnThePath) {
  EXPECT_TRUE(find_program("sh").has_value());
  EXPECT_FALSE(find_program("no-such-program-as-this").has_value());
}

}  // namespace
}  // namespace valley::doctor
