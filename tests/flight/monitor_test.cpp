// The monitor with real connections and processes: what it knows of a rank in each case.
#include "flight/monitor.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <string>
#include <thread>

#include "flight/flight_recorder.h"

namespace valley {
namespace {

constexpr double kTimeout = 1;

// A process that sleeps until it is killed at the end.
class Sleeper {
 public:
  Sleeper() : pid_(::fork()) {
    if (pid_ == 0)
      for (;;) ::pause();
  }
  ~Sleeper() { end(); }
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;
  [[nodiscard]] ::pid_t pid() const { return pid_; }
  void stop() const {
    ::kill(pid_, SIGSTOP);
    ::waitpid(pid_, nullptr, WUNTRACED);
  }
  void end() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  ::pid_t pid_;
};

// Rank 0 has the monitor, rank 1 is a client whose process is `sleeper_`.
class MonitorTest : public ::testing::Test {
 protected:
  MonitorTest() {
    const std::string token = make_token();
    auto server =
        std::make_unique<SideChannelServer>(std::vector<std::string>{"127.0.0.1"}, token, 2);
    const std::vector<std::string> endpoints = server->endpoints();
    monitor_ = std::make_unique<Monitor>(0, 2, kTimeout, std::move(server));
    std::jthread greeter([&](const std::stop_token& stop) {
      while (!stop.stop_requested()) monitor_->listen(0.01);
    });
    client_ = std::make_unique<SideChannelClient>(endpoints, token, 1);
    RankReport report = make_rank_report(1, flight_recorder());
    report.pid = sleeper_.pid();
    client_->send(to_json_line(report));
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }

  [[nodiscard]] std::string who() const {
    return "rank 1 (host " + make_rank_report(1, flight_recorder()).host + ", process " +
           std::to_string(pid_) + ")";
  }
  // The verdict within three seconds.
  [[nodiscard]] std::optional<Verdict> watch() {
    std::optional<Verdict> verdict;
    const double end = monotonic_seconds() + 3;
    while (!verdict && monotonic_seconds() < end) {
      verdict = monitor_->watch();
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return verdict;
  }

  Sleeper sleeper_;
  ::pid_t pid_ = sleeper_.pid();
  std::unique_ptr<Monitor> monitor_;
  std::unique_ptr<SideChannelClient> client_;
};

TEST_F(MonitorTest, KnowsRanksThatReportedBeforeItWatched) {
  sleeper_.stop();
  const auto verdict = watch();
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->kind, HangKind::kStopped) << verdict->text;
  EXPECT_TRUE(verdict->text.starts_with(who() + " is stopped")) << verdict->text;
}

TEST_F(MonitorTest, NamesARankWhoseProcessHasEndedBeforeTheTimeout) {
  sleeper_.end();
  client_.reset();
  const double begin = monotonic_seconds();
  const auto verdict = watch();
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->kind, HangKind::kDead) << verdict->text;
  EXPECT_TRUE(verdict->text.starts_with(who() + " has ended")) << verdict->text;
  EXPECT_LT(monotonic_seconds() - begin, kTimeout);
}

TEST_F(MonitorTest, LeavesTheMessageToARankThatReportsAnError) {
  client_->send(messages::kFailing);
  client_.reset();
  sleeper_.end();
  EXPECT_FALSE(watch());
}

TEST_F(MonitorTest, DoesNotTakeAClosedConnectionForAnEnd) {
  client_.reset();  // the process still runs
  const auto verdict = monitor_->watch();
  EXPECT_FALSE(verdict) << verdict->text;
  EXPECT_TRUE(monitor_->is_busy());
}

}  // namespace
}  // namespace valley
