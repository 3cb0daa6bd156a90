#include "record/event_writer.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <vector>

#include "core/error.h"
#include "core/read_file.h"
#include "core/warning_recorder.h"
#include "record/tfrecord.h"
#include "support/temporary_folder.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

const Png kPng = {"PNG", 1, 1, 1};

std::vector<fs::path> entries(const TemporaryFolder& run) {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(run.path())) paths.push_back(entry.path());
  std::ranges::sort(paths);
  return paths;
}

// Step and first tag of each event; "" for an event without a summary.
using Found = std::vector<std::pair<std::int64_t, std::string>>;

Found events_of(const fs::path& file) {
  Found found;
  RecordReader reader(file);
  while (const auto record = reader.next()) {
    const EventContent content = read_event(*record);
    found.emplace_back(content.step, content.tags.empty() ? "" : content.tags.front());
  }
  EXPECT_EQ(reader.position(), reader.file_size());
  return found;
}

std::string config_of(const fs::path& file) {
  std::string text;
  RecordReader reader(file);
  while (const auto record = reader.next()) {
    const EventContent content = read_event(*record);
    if (!content.text.empty()) text = content.text;
  }
  return text;
}

// A run that reached step 30.
class EventWriterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    EventWriter writer(run_.path(), 0, "x = 1");
    EXPECT_FALSE(writer.has_earlier("samples/reals"));
    writer.add_image(0, "samples/reals", kPng);
    for (const std::int64_t step : {10, 20, 30}) writer.add_scalars(step, {{"loss/D", 0.5}});
    writer.add_image(30, "samples/fakes", kPng);
    first_ = writer.path();
  }

  // Starts at `step`; returns the file that it writes.
  fs::path start(std::int64_t step, const std::string& config = "x = 1") {
    return EventWriter(run_.path(), step, config).path();
  }

  const TemporaryFolder run_;
  fs::path first_;
  const Found opening_ = {{0, ""}, {0, ""}, {0, "config"}};
  const Found all_ = {{0, ""},        {0, ""},        {0, "config"},  {0, "samples/reals"},
                      {10, "loss/D"}, {20, "loss/D"}, {30, "loss/D"}, {30, "samples/fakes"}};
  const Found until_20_ = {all_.begin(), all_.end() - 2};
};

TEST_F(EventWriterTest, AllEventsAreInOneFileThatTensorBoardReads) {
  EXPECT_EQ(entries(run_), std::vector<fs::path>{first_});
  EXPECT_TRUE(first_.filename().string().starts_with("events.out.tfevents."));
  EXPECT_EQ(events_of(first_), all_);
  EXPECT_EQ(config_of(first_), "```\nx = 1\n```\n");
}

TEST_F(EventWriterTest, ResumeThatDropsNothingAppendsToTheSameFile) {
  const std::string before = read_file(first_);
  EventWriter writer(run_.path(), 30, "x = 1");
  EXPECT_EQ(writer.path(), first_);
  EXPECT_TRUE(writer.has_earlier("samples/reals"));
  EXPECT_EQ(read_file(first_), before);
  writer.add_scalars(40, {{"loss/D", 0.5}});
  EXPECT_EQ(events_of(first_).back(), (std::pair<std::int64_t, std::string>{40, "loss/D"}));
  EXPECT_EQ(entries(run_).size(), 1U);
}

TEST_F(EventWriterTest, TextsUpToTheStepAreKept) {
  {
    EventWriter writer(run_.path(), 30, "x = 1");
    writer.add_text(35, "warnings", "early");
    writer.add_text(40, "warnings", "late");
  }
  EventWriter again(run_.path(), 35, "x = 1");
  EXPECT_TRUE(again.has_earlier("warnings"));
  EXPECT_EQ(events_of(again.path()).back(), (std::pair<std::int64_t, std::string>{35, "warnings"}));
  EXPECT_EQ(config_of(again.path()), "early");  // the last text
  const fs::path file = again.path();
  EventWriter third(run_.path(), 35, "x = 1");
  EXPECT_EQ(third.path(), file);  // the config is recognized as unchanged
}

TEST_F(EventWriterTest, LaterStepsAreDropped) {
  EventWriter writer(run_.path(), 20, "x = 1");
  EXPECT_TRUE(writer.has_earlier("samples/reals"));
  EXPECT_FALSE(writer.has_earlier("samples/fakes"));
  EXPECT_GT(writer.path(), first_) << "TensorBoard reads files in this order";
  EXPECT_EQ(events_of(writer.path()), until_20_);
  EXPECT_EQ(fs::file_size(first_), 0U);
  writer.add_scalars(30, {{"loss/D", 0.25}});
  EXPECT_EQ(events_of(writer.path()).size(), until_20_.size() + 1);
}

TEST_F(EventWriterTest, OnePreviousFileIsKeptEmpty) {
  const fs::path second = start(20);
  const fs::path third = start(10);
  EXPECT_EQ(entries(run_), (std::vector<fs::path>{second, third}));
  EXPECT_EQ(fs::file_size(second), 0U);
  EXPECT_EQ(start(10), third);
  EXPECT_EQ(entries(run_).size(), 2U);
}

TEST_F(EventWriterTest, AnotherConfigReplacesTheConfig) {
  const fs::path second = start(30, "x = 2");
  EXPECT_EQ(events_of(second), all_);
  EXPECT_EQ(config_of(second), "```\nx = 2\n```\n");
}

TEST_F(EventWriterTest, IncompleteEndIsSkipped) {
  const std::string whole = read_file(first_);
  std::ofstream(first_, std::ios::binary | std::ios::app)
      << frame_record(scalars_event(1, 29, {{"loss/D", 1}})).substr(0, 20);
  const fs::path second = start(30);
  EXPECT_NE(second, first_);
  EXPECT_EQ(events_of(second), all_);
}

TEST_F(EventWriterTest, LossOfAllEventsIsAWarning) {
  fs::resize_file(first_, 0);
  const log::WarningRecorder warnings;
  EXPECT_EQ(events_of(start(30)), opening_);
  ASSERT_EQ(warnings.texts().size(), 1U);
  EXPECT_EQ(warnings.texts()[0], first_.string() + ": its events are lost: it is empty");
}

TEST_F(EventWriterTest, LeftoversOfAKilledLaunchAreIgnored) {
  // Killed while it wrote the new file.
  std::ofstream(run_ / ".events-unfinished.tmp") << "part of it";
  const fs::path second = start(20);
  EXPECT_EQ(events_of(second), until_20_);
  EXPECT_EQ(entries(run_).size(), 2U);
  // Killed before it emptied the previous file.
  std::ofstream(first_) << "as it was";
  EXPECT_EQ(start(20), second);
  EXPECT_EQ(fs::file_size(first_), 0U);
  // Killed before the first event was complete.
  fs::resize_file(second, 5);
  EXPECT_EQ(events_of(start(20)), opening_);
}

TEST_F(EventWriterTest, FilesSortAfterExistingOnesWhenTheClockGoesBack) {
  fs::rename(first_, run_ / "events.out.tfevents.4000000000.node.valley");
  const std::string name = start(20).filename().string();
  EXPECT_TRUE(name.starts_with("events.out.tfevents.4000000001.")) << name;
}

TEST_F(EventWriterTest, FilesOfOtherProgramsAreKept) {
  const fs::path foreign = run_ / "events.out.tfevents.5000000000.node.123.0";
  std::ofstream(foreign) << "not ours";
  EXPECT_EQ(events_of(start(20)), until_20_);
  EXPECT_EQ(read_file(foreign), "not ours");
}

TEST_F(EventWriterTest, MissingFolderIsNamed) {
  try {
    const EventWriter writer(run_ / "absent", 0, "");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kCannotWrite);
    EXPECT_NE(std::string(error.what()).find("absent"), std::string::npos);
  }
}

// Result of `body` in a process with a file size limit of `bytes`.
template <typename Body>
int with_file_limit(::rlim_t bytes, const Body& body) {
  const ::pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const struct ::rlimit limit = {bytes, bytes};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    try {
      body();
      ::_exit(0);
    } catch (const Error& error) {
      const bool names_it = std::string(error.what()).find("vents") != std::string::npos;
      ::_exit(names_it ? static_cast<int>(error.code()) : 1);
    }
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(EventWriterTest, WithoutSpaceTheFileIsUnchanged) {
  constexpr int kCannotWrite = static_cast<int>(ExitCode::kCannotWrite);
  const std::string before = read_file(first_);
  EXPECT_EQ(with_file_limit(before.size() + 10,
                            [&] {
                              EventWriter writer(run_.path(), 30, "x = 1");
                              writer.add_scalars(40, {{"loss/D", 0.5}});
                            }),
            kCannotWrite);
  EXPECT_EQ(read_file(first_), before);
  EXPECT_EQ(with_file_limit(50, [&] { start(20); }), kCannotWrite);
  EXPECT_EQ(read_file(first_), before);
  EXPECT_EQ(entries(run_), std::vector<fs::path>{first_});
}

}  // namespace
}  // namespace valley
