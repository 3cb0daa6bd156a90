#include "core/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <regex>
#include <sstream>
#include <thread>
#include <vector>

#include "core/atomic_file.h"
#include "core/read_file.h"
#include "core/warning_recorder.h"
#include "helpers.h"

namespace valley {
namespace {

// Log state is process-wide: each test starts as one rank without a file.
class LogTest : public ::testing::Test {
 protected:
  void SetUp() override { reset(); }
  void TearDown() override { reset(); }
  static void reset() {
    log::set_rank(0, 1);
    log::tee_to("");
  }

  // Output of `call` on the descriptor of stderr.
  template <typename Call>
  std::string stderr_of(Call&& call) {
    const std::filesystem::path path = folder_.path() / "stderr";
    std::fflush(stderr);
    const int saved = ::dup(STDERR_FILENO);
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ::dup2(file, STDERR_FILENO);
    call();
    std::fflush(stderr);
    ::dup2(saved, STDERR_FILENO);
    ::close(saved);
    ::close(file);
    return read_file(path);
  }

  TemporaryFolder folder_;
};

void say_one_of_each() {
  log::info("step {}", 1200);
  log::info_every_rank("here");
  log::warn("slow {}", "disk");
  log::error("gone");
}

TEST_F(LogTest, OneRankHasNoPrefix) {
  EXPECT_EQ(stderr_of(say_one_of_each), "step 1200\nhere\nwarning: slow disk\nerror: gone\n");
}

TEST_F(LogTest, RankZeroOfSeveralHasAPrefix) {
  log::set_rank(0, 4);
  EXPECT_EQ(stderr_of(say_one_of_each),
            "[0] step 1200\n[0] here\n[0] warning: slow disk\n[0] error: gone\n");
}

TEST_F(LogTest, OtherRanksDoNotWriteInfo) {
  log::set_rank(2, 4);
  EXPECT_EQ(stderr_of(say_one_of_each), "[2] here\n[2] warning: slow disk\n[2] error: gone\n");
}

TEST_F(LogTest, BracesInAMessageAreText) {
  EXPECT_EQ(stderr_of([] { log::info("{}", "{0} {} %v %n"); }), "{0} {} %v %n\n");
  EXPECT_EQ(stderr_of([] { log::write(log::Level::kWarning, true, "{}"); }), "warning: {}\n");
}

TEST_F(LogTest, TheFileGetsEveryLineWithItsTime) {
  const std::string path = (folder_.path() / "log.txt").string();
  log::tee_to(path);
  log::set_rank(0, 2);
  const std::string said = stderr_of(say_one_of_each);
  log::tee_to("");
  const std::vector<std::string> in_file = split_lines(read_file(path));
  const std::vector<std::string> on_stderr = split_lines(said);
  ASSERT_EQ(in_file.size(), on_stderr.size());
  const std::regex time(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:?\d\d )");
  for (std::size_t i = 0; i < in_file.size(); ++i) {
    std::smatch match;
    ASSERT_TRUE(std::regex_search(in_file[i], match, time, std::regex_constants::match_continuous))
        << in_file[i];
    EXPECT_EQ(match.suffix().str(), on_stderr[i]);
  }
}

TEST_F(LogTest, FileIsAppendedToUntilTeeStops) {
  const std::string path = (folder_.path() / "log.txt").string();
  write_file(path, "before\n");
  log::tee_to(path);
  (void)stderr_of([] { log::info("during"); });
  log::tee_to("");
  (void)stderr_of([] { log::info("after"); });
  const std::vector<std::string> lines = split_lines(read_file(path));
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0], "before");
  EXPECT_TRUE(lines[1].ends_with(" during")) << lines[1];
}

TEST_F(LogTest, LinesReachTheFileImmediately) {
  const std::string path = (folder_.path() / "log.txt").string();
  log::tee_to(path);
  (void)stderr_of([] { log::info("flushed"); });
  EXPECT_TRUE(contains(read_file(path), "flushed\n"));  // before the file is closed
}

TEST_F(LogTest, AFileThatCannotBeOpenedIsOneError) {
  const std::string path = folder_.path().string();  // a folder cannot be written to
  const Error error = error_of([&] { log::tee_to(path); });
  EXPECT_EQ(error.code(), ExitCode::kCannotWrite);
  EXPECT_TRUE(contains(error.what(), "opening " + path + ": Is a directory")) << error.what();
}

TEST_F(LogTest, LinesOfThreadsDoNotInterleave) {
  constexpr int kThreads = 4;
  constexpr int kLines = 200;
  const std::string said = stderr_of([] {
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([t] {
        const std::string word(100, static_cast<char>('a' + t));
        for (int i = 0; i < kLines; ++i) log::info_every_rank("{}", word);
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
  const std::vector<std::string> lines = split_lines(said);
  ASSERT_EQ(lines.size(), static_cast<std::size_t>(kThreads * kLines));
  for (int t = 0; t < kThreads; ++t) {
    const std::string word(100, static_cast<char>('a' + t));
    EXPECT_EQ(std::count(lines.begin(), lines.end(), word), kLines);
  }
}

TEST_F(LogTest, RecorderKeepsWarningsOfItsLifetimeOnly) {
  std::vector<std::string> texts;
  stderr_of([&] {
    log::warn("before");
    const log::WarningRecorder recorder;
    say_one_of_each();
    texts = recorder.texts();
  });
  EXPECT_EQ(texts, std::vector<std::string>{"slow disk"});
  stderr_of([] { log::warn("after"); });  // the recorder is gone
}

}  // namespace
}  // namespace valley
