// A failing rank ends the job promptly, with its exit code and a message that names the rank,
// without leftover processes. The codes are those of Open MPI 4.1's mpirun. FAULTY_RANK and MPIEXEC
// come from CMake.
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace valley {
namespace {

namespace fs = std::filesystem;

constexpr int kRanks = 4;

std::string contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

int processes_with(const std::string& token) {
  int found = 0;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    if (contents(entry.path() / "cmdline").find(token) != std::string::npos) ++found;
  }
  return found;
}

struct Outcome {
  int exit_code = -1;
  double seconds_after_fault = -1;
  std::string messages;
  int left_over = 0;
};

double steady_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// faulty_rank prints the time, on the clock that all processes of a host share.
double seconds_since_fault(const std::string& messages) {
  const std::string mark = "fault at ";
  const std::size_t place = messages.find(mark);
  if (place == std::string::npos) return -1;
  return steady_now() - std::strtod(messages.c_str() + place + mark.size(), nullptr) * 1e-6;
}

Outcome run_job(const std::string& mode, int faulty) {
  const std::string token = fmt::format("valley-job-{}-{}-{}", getpid(), mode, faulty);
  const fs::path log = fs::temp_directory_path() / token;
  const std::string command =
      fmt::format("timeout -k 1 60 {} --oversubscribe --bind-to none -n {} {} {} {} {} >{} 2>&1",
                  MPIEXEC, kRanks, FAULTY_RANK, mode, faulty, token, log.string());
  const int status = std::system(command.c_str());
  Outcome outcome;
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  outcome.messages = contents(log);
  outcome.seconds_after_fault = seconds_since_fault(outcome.messages);
  outcome.left_over = processes_with(token);
  fs::remove(log);
  return outcome;
}

void expect_end(const std::string& mode, int faulty, int exit_code, const std::string& message) {
  const Outcome outcome = run_job(mode, faulty);
  EXPECT_EQ(outcome.exit_code, exit_code) << outcome.messages;
  EXPECT_GT(outcome.seconds_after_fault, 0) << outcome.messages;
  EXPECT_LT(outcome.seconds_after_fault, 8) << outcome.messages;
  EXPECT_NE(outcome.messages.find(message), std::string::npos) << outcome.messages;
  EXPECT_EQ(outcome.left_over, 0);
  fmt::print("{}: exit code {}, {:.2f} s after the fault\n", mode, outcome.exit_code,
             outcome.seconds_after_fault);
}

TEST(JobEnd, AJobWithoutAFaultEndsWithZero) {
  const Outcome outcome = run_job("none", 0);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.messages;
  EXPECT_NE(outcome.messages.find("4 ranks on 1 host: CPU, Open MPI"), std::string::npos)
      << outcome.messages;
}

TEST(JobEnd, AnErrorOnOneRankEndsAllWithItsCode) {
  expect_end("throw", 2, 65, "[2] error: rank 2 on host ");
}

TEST(JobEnd, AnErrorOnRankZeroToo) { expect_end("throw", 0, 65, "[0] error: rank 0 on host "); }

TEST(JobEnd, AnUnexpectedExceptionEndsAllWithOne) {
  expect_end("bug", 1, 1, "[1] error: rank 1 on host ");
}

TEST(JobEnd, AbortEndsAllWithTheGivenCode) { expect_end("abort", 3, 70, "the loss is not finite"); }

TEST(JobEnd, AbortFromAThreadWhileTheRankIsInACollective) {
  expect_end("thread", 1, 76, "[1] error: rank 1 on host ");
}

TEST(JobEnd, ErrorBeforeMpiInitEndsAllWithItsCode) {
  expect_end("early", 1, 66, "error: rank 1 on host ");
}

TEST(JobEnd, AKilledRankEndsAll) { expect_end("kill", 1, 137, "rank 1"); }

TEST(JobEnd, RankThatExitsSilentlyEndsAll) { expect_end("exit", 1, 1, "rank 1"); }

TEST(JobEnd, ErrorOnAllRanksEndsWithItsCode) {
  expect_end("disagree", 0, 64, "ranks 2, 3 do not have what ranks 0, 1 have");
}

}  // namespace
}  // namespace valley
