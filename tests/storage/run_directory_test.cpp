#include "storage/run_directory.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <utility>

#include "core/read_file.h"
#include "expect_error.h"
#include "fault_injection.h"
#include "sample_checkpoint.h"
#include "support/put_file.h"
#include "support/temporary_folder.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

TEST(RunDirectory, NumbersIncreaseAcrossNames) {
  const TemporaryFolder folder;
  const fs::path out = folder / "some/runs";
  EXPECT_EQ(RunDirectory::create(out, "began").path(), out / "00000-began");
  EXPECT_EQ(RunDirectory::create(out, "ebgan").path(), out / "00001-ebgan");
  fs::create_directories(out / "00041-other");
  fs::create_directories(out / "123-too-few-digits");
  fs::create_directories(out / "notes");
  const RunDirectory run = RunDirectory::create(out, "began-emoji_64.2");
  EXPECT_EQ(run.path(), out / "00042-began-emoji_64.2");
  EXPECT_EQ(run.checkpoints(), run.path() / "checkpoints");
  EXPECT_EQ(run.config_file(), run.path() / "config.toml");
  EXPECT_EQ(run.stats_file(), run.path() / "stats.jsonl");
  EXPECT_EQ(run.log_file(), run.path() / "log.txt");
}

TEST(RunDirectory, LeftoverReservationBlocksOnlyItsNumber) {
  const TemporaryFolder folder;
  fs::create_directories(folder / ".claim-00000");
  EXPECT_EQ(RunDirectory::create(folder.path(), "a").path(), folder / "00001-a");
}

TEST(RunDirectory, InvalidNamesAreRejected) {
  const TemporaryFolder folder;
  for (const char* name : {"", "a/b", "../x", "a b", "a\n"})
    expect_error(ExitCode::kUsage, {"is not a valid name of a run"},
                 [&] { RunDirectory::create(folder.path(), name); });
  put_file(folder / "file", "");
  expect_error(ExitCode::kCannotWrite, {(folder / "file").string()},
               [&] { RunDirectory::create(folder / "file", "a"); });
}

TEST(RunDirectory, ConcurrentJobsGetDifferentNumbers) {
  const TemporaryFolder folder;
  constexpr int kJobs = 8;
  constexpr int kRunsEach = 10;
  std::vector<::pid_t> jobs;
  for (int job = 0; job < kJobs; ++job) {
    const ::pid_t child = ::fork();
    if (child == 0) {
      for (int i = 0; i < kRunsEach; ++i)
        RunDirectory::create(folder.path(), "job" + std::to_string(job));
      ::_exit(0);
    }
    jobs.push_back(child);
  }
  for (const ::pid_t job : jobs) {
    int status = 0;
    ::waitpid(job, &status, 0);
    EXPECT_EQ(status, 0);
  }
  std::set<std::string> numbers;
  for (const auto& entry : fs::directory_iterator(folder.path()))
    numbers.insert(entry.path().filename().string().substr(0, 5));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), kJobs * kRunsEach);
  EXPECT_EQ(numbers.size(), static_cast<std::size_t>(kJobs * kRunsEach));
  EXPECT_EQ(*numbers.begin(), "00000");
  EXPECT_EQ(*numbers.rbegin(), "00079");
}

TEST(RunDirectory, OpenRejectsOtherDirectories) {
  const TemporaryFolder folder;
  expect_error(ExitCode::kMissingInput, {"absent"}, [&] { RunDirectory::open(folder / "absent"); });
  expect_error(ExitCode::kMissingInput, {folder.path().string(), "config.toml"},
               [&] { RunDirectory::open(folder.path()); });
  put_file(folder / "config.toml", "");
  EXPECT_EQ(RunDirectory::open(folder.path()).path(), folder.path());
}

TEST(RunDirectory, ALockHeldByAnotherProcessNamesIt) {
  const TemporaryFolder folder;
  std::array<int, 2> ready{};
  std::array<int, 2> done{};
  ASSERT_EQ(::pipe(ready.data()), 0);
  ASSERT_EQ(::pipe(done.data()), 0);
  const ::pid_t child = ::fork();
  if (child == 0) {
    ::setenv("SLURM_JOB_ID", "4711", 1);
    const RunDirectory run = RunDirectory::create(folder.path(), "a");
    put_file(run.config_file(), "");
    char byte = 'x';
    if (::write(ready[1], &byte, 1) != 1) ::_exit(1);
    static_cast<void>(::read(done[0], &byte, 1));
    ::_exit(0);  // without a destructor, as if killed
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  const fs::path path = folder / "00000-a";
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  expect_error(ExitCode::kUsage,
               {path.string(), "process " + std::to_string(child),
                std::string("host ") + host.data(), "job 4711"},
               [&] { RunDirectory::open(path); });
  ASSERT_EQ(::write(done[1], &byte, 1), 1);
  ::waitpid(child, nullptr, 0);
  EXPECT_NO_THROW(RunDirectory::open(path));
  for (const int end : {ready[0], ready[1], done[0], done[1]}) ::close(end);
}

// Ends the injected failures of a test.
struct Refusal {
  Refusal(int flush_error, int lock_error) { faults::refuse(flush_error, lock_error); }
  ~Refusal() { faults::refuse(0, 0); }
};

TEST(RunDirectory, AFileSystemWithoutLocksIsUsedWithAWarning) {
  for (const int error : {524, ENOTSUP, ENOSYS, EINVAL, ENOLCK, EREMOTEIO}) {
    const TemporaryFolder folder;
    const Refusal refusal(0, error);
    ::testing::internal::CaptureStderr();
    EXPECT_NO_THROW(RunDirectory::create(folder.path(), "a")) << error;
    const std::string said = ::testing::internal::GetCapturedStderr();
    EXPECT_NE(said.find("has no locks"), std::string::npos) << said;
  }
  for (const int error : {EIO, ESTALE}) {
    const TemporaryFolder folder;
    const Refusal refusal(0, error);
    expect_error(ExitCode::kIo, {"locking", ".lock"},
                 [&] { RunDirectory::create(folder.path(), "a"); });
  }
}

TEST(RunDirectory, AFileSystemWithoutFlushingIsUsed) {
  for (const int error : {524, ENOTSUP, ENOSYS, EINVAL}) {
    const TemporaryFolder folder;
    const Refusal refusal(error, 0);
    RunDirectory run = RunDirectory::create(folder.path(), "a");
    run.record_start(R"({"ranks": 1})");
    run.record_end(0, "done");
    EXPECT_TRUE(fs::exists(run.path() / "exit.json")) << error;
  }
  for (const auto& [error, code] : {std::pair{EIO, ExitCode::kIo},
                                    {ENOSPC, ExitCode::kCannotWrite},
                                    {EDQUOT, ExitCode::kCannotWrite}}) {
    const TemporaryFolder folder;
    RunDirectory run = RunDirectory::create(folder.path(), "a");
    const Refusal refusal(error, 0);
    expect_error(code, {"flushing"}, [&] { run.record_end(0, "done"); });
  }
}

TEST(RunDirectory, TheLockMovesAndIsReleased) {
  const TemporaryFolder folder;
  fs::path path;
  {
    RunDirectory first = RunDirectory::create(folder.path(), "a");
    put_file(first.config_file(), "");
    const RunDirectory second = std::move(first);
    path = second.path();
    expect_error(ExitCode::kUsage, {"in use by process " + std::to_string(::getpid())},
                 [&] { RunDirectory::open(path); });
  }
  EXPECT_NO_THROW(RunDirectory::open(path));
}

TEST(RunDirectory, RecordsStartsAndEnds) {
  const TemporaryFolder folder;
  RunDirectory run = RunDirectory::create(folder.path(), "a");
  const auto records = [&] { return nlohmann::json::parse(read_file(run.path() / "run.json")); };
  run.record_start(R"({"command": "valley train", "ranks": 4})");
  ASSERT_EQ(records().size(), 1U);
  EXPECT_EQ(records()[0], nlohmann::json::parse(R"({"command": "valley train", "ranks": 4})"));

  run.record_end(75, "stopped by \"TERM\"\n");
  EXPECT_EQ(records()[0]["ranks"], 4);
  EXPECT_EQ(records()[0]["exit_code"], 75);
  EXPECT_EQ(records()[0]["why"], "stopped by \"TERM\"\n");
  const auto exit = nlohmann::json::parse(read_file(run.path() / "exit.json"));
  EXPECT_EQ(exit["exit_code"], 75);
  EXPECT_EQ(exit["why"], "stopped by \"TERM\"\n");
  EXPECT_EQ(exit["ended"], records()[0]["ended"]);
  EXPECT_TRUE(std::regex_match(exit["ended"].get<std::string>(),
                               std::regex(R"(20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ)")));

  run.record_start(R"({"command": "again"})");
  EXPECT_FALSE(fs::exists(run.path() / "exit.json")) << "the code of the start before";
  run.record_end(0, "done \xFF");
  ASSERT_EQ(records().size(), 2U);
  EXPECT_EQ(records()[0]["exit_code"], 75);
  EXPECT_EQ(records()[1]["exit_code"], 0);
}

TEST(RunDirectory, FirstFailureIsKeptAndRecordedByTheNextLaunch) {
  const TemporaryFolder folder;
  RunDirectory run = RunDirectory::create(folder.path(), "a");
  const auto records = [&] { return nlohmann::json::parse(read_file(run.path() / "run.json")); };
  const auto exit = [&] { return nlohmann::json::parse(read_file(run.path() / "exit.json")); };
  run.record_start(R"({"command": "first"})");
  ASSERT_EQ(::setenv("VALLEY_LAUNCH_ID", "n1-7", 1), 0);
  record_failure(run.path(), 65, "shard 3 is damaged", "rank 2 on host n1");
  ASSERT_EQ(::unsetenv("VALLEY_LAUNCH_ID"), 0);
  record_failure(run.path(), 76, "a rank is lost", "rank 1 on host n1");
  EXPECT_EQ(exit()["exit_code"], 65);
  EXPECT_EQ(exit()["failed"], "rank 2 on host n1");
  EXPECT_EQ(exit()["launch"], "n1-7");
  EXPECT_FALSE(records()[0].contains("exit_code"));

  run.record_start(R"({"command": "second"})");
  EXPECT_EQ(records()[0]["why"], "shard 3 is damaged");
  EXPECT_EQ(records()[0]["command"], "first");
  EXPECT_FALSE(records()[1].contains("exit_code"));
  EXPECT_FALSE(fs::exists(run.path() / "exit.json"));

  run.record_failure(71, "out of memory", "rank 0 on host n1");
  EXPECT_EQ(exit()["exit_code"], 71);
  EXPECT_EQ(records()[1]["failed"], "rank 0 on host n1");
  EXPECT_FALSE(exit().contains("launch"));
}

TEST(RunDirectory, InvalidRunJsonIsRejectedButTheExitCodeIsWritten) {
  const TemporaryFolder folder;
  RunDirectory run = RunDirectory::create(folder.path(), "a");
  for (const char* text : {"{}", "[1]", "[{", ""}) {
    put_file(run.path() / "run.json", text);
    expect_error(ExitCode::kData, {(run.path() / "run.json").string(), "not a JSON array"},
                 [&] { run.record_start("{}"); });
    expect_error(ExitCode::kData, {"run.json"}, [&] { run.record_end(70, "diverged"); });
    EXPECT_EQ(nlohmann::json::parse(read_file(run.path() / "exit.json"))["exit_code"], 70);
  }
}

TEST(NewestRun, IsTheHighestNumberWithAConfig) {
  const TemporaryFolder folder;
  EXPECT_EQ(newest_run(folder / "absent"), std::nullopt);
  EXPECT_EQ(newest_run(folder.path()), std::nullopt);
  put_file(folder / "00009-b/config.toml", "");
  put_file(folder / "00010-a/config.toml", "");
  put_file(folder / "100000-c/config.toml", "");
  EXPECT_EQ(newest_run(folder.path()), folder / "100000-c");
  fs::remove_all(folder / "100000-c");
  fs::create_directories(folder / "00011-no-config");
  put_file(folder / "notes-2/config.toml", "");
  EXPECT_EQ(newest_run(folder.path()), folder / "00010-a");
  put_file(folder / "00012-not-a/config.toml", "");
  EXPECT_EQ(newest_run(folder.path(), "a"), folder / "00010-a");
  EXPECT_EQ(newest_run(folder.path(), "not-a"), folder / "00012-not-a");
  EXPECT_EQ(newest_run(folder.path(), "z"), std::nullopt);
}

TEST(LocateModel, FindsRunsCheckpointsAndFiles) {
  const TemporaryFolder folder;
  const fs::path run = folder / "00000-a";
  write_checkpoint(run / "checkpoints", sample_checkpoint(1));
  const fs::path newest = write_checkpoint(run / "checkpoints", sample_checkpoint(2));
  const fs::path model = newest / "model.safetensors";
  for (const fs::path& named : {run, run / "checkpoints", newest}) {
    const ModelLocation found = locate_model(named);
    EXPECT_EQ(found.model_file, model) << named;
    EXPECT_EQ(found.checkpoint, newest) << named;
  }
  EXPECT_EQ(locate_model(model).model_file, model);
  EXPECT_EQ(locate_model(model).checkpoint, std::nullopt);
}

TEST(LocateModel, DamagedModelFileOfACheckpointIsRejectedAlsoIfNamedItself) {
  const TemporaryFolder folder;
  const fs::path checkpoint = write_checkpoint(folder.path(), sample_checkpoint(1));
  const fs::path model = checkpoint / "model.safetensors";
  std::string bytes = read_file(model);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  put_file(model, bytes);
  expect_error(ExitCode::kData, {model.string(), "SHA-256"},
               [&] { static_cast<void>(locate_model(model)); });
  put_file(checkpoint / "COMMIT", "{}");
  expect_error(ExitCode::kData, {(checkpoint / "COMMIT").string(), "damaged"},
               [&] { static_cast<void>(locate_model(model)); });
  fs::remove(checkpoint / "COMMIT");
  EXPECT_EQ(locate_model(model).model_file, model) << "a file on its own has no checksum";
}

TEST(LocateModel, ErrorNamesTheFilesThatItLookedFor) {
  const TemporaryFolder folder;
  const auto locate = [](const fs::path& named) {
    return [named] { static_cast<void>(locate_model(named)); };
  };
  expect_error(ExitCode::kMissingInput, {"absent", "does not exist", "run directory"},
               locate(folder / "absent"));
  expect_error(ExitCode::kMissingInput,
               {folder.path().string(), "holds no model", "checkpoints/step-*/COMMIT"},
               locate(folder.path()));
  put_file(folder / "weights.pt", "");
  expect_error(ExitCode::kMissingInput, {"weights.pt", ".safetensors"},
               locate(folder / "weights.pt"));
  fs::create_directories(folder / "run/checkpoints");
  expect_error(ExitCode::kMissingInput, {(folder / "run").string(), "no complete checkpoint"},
               locate(folder / "run"));
  put_file(folder / "step-00000001/model.safetensors", "");
  expect_error(ExitCode::kMissingInput, {"no COMMIT", "step-00000001/model.safetensors"},
               locate(folder / "step-00000001"));
}

TEST(LocateModel, DamagedCheckpointIsRejectedButARunUsesAnEarlierOne) {
  const TemporaryFolder folder;
  const fs::path checkpoints = folder / "checkpoints";
  const fs::path first = write_checkpoint(checkpoints, sample_checkpoint(1));
  const fs::path second = write_checkpoint(checkpoints, sample_checkpoint(2));
  put_file(second / "model.safetensors", "cut");
  expect_error(ExitCode::kData, {(second / "model.safetensors").string()},
               [&] { static_cast<void>(locate_model(second)); });
  EXPECT_EQ(locate_model(folder.path()).checkpoint, first);
}

}  // namespace
}  // namespace valley
