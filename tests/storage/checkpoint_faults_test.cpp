// Faults during writing of checkpoints: the writer is killed at every call that changes the file
// system and at random moments, every such call fails, and the disk fills up before and during
// writing.
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <random>
#include <thread>

#include "core/error.h"
#include "expect_error.h"
#include "fault_injection.h"
#include "sample_checkpoint.h"
#include "support/temporary_folder.h"
#include "tiny_disk.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

// Runs `body` in a child, which then exits 0 unless it was killed.
template <typename Body>
::pid_t in_child(Body&& body) {
  const ::pid_t child = ::fork();
  if (child == 0) {
    body();
    ::_exit(0);
  }
  return child;
}

int wait_for(::pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

// Number of calls for writing `next` over `before`.
int count_calls(const Checkpoint& before, const Checkpoint& next) {
  const TemporaryFolder folder;
  write_checkpoint(folder.path(), before);
  faults::kill_at(-1);
  write_checkpoint(folder.path(), next);
  return faults::disarm();
}

// Kills the writer of `next` at each of its calls. A reader then finds `before` or `next`,
// complete; the next writer succeeds and removes leftovers.
void kill_at_every_call(const Checkpoint& before, const Checkpoint& next) {
  const int calls = count_calls(before, next);
  EXPECT_GT(calls, 20);
  int found_next = 0;
  for (int call = 0; call < calls; ++call) {
    SCOPED_TRACE(call);
    const TemporaryFolder folder;
    write_checkpoint(folder.path(), before);
    const int status = wait_for(in_child([&] {
      faults::kill_at(call);
      write_checkpoint(folder.path(), next);
    }));
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

    const auto newest = newest_good_checkpoint(folder.path());
    ASSERT_TRUE(newest);
    const Checkpoint read = read_checkpoint(*newest);
    const bool is_next = read.step == next.step && read.state_json == next.state_json;
    found_next += is_next ? 1 : 0;
    expect_same(read, is_next ? next : before);

    const Checkpoint last = sample_checkpoint(next.step + 1);
    write_checkpoint(folder.path(), last);
    EXPECT_EQ(leftovers(folder.path()), "");
    expect_same(read_checkpoint(newest_good_checkpoint(folder.path()).value()), last);
  }
  EXPECT_GT(found_next, 0);
  EXPECT_LT(found_next, calls);
}

TEST(CheckpointFaults, KilledAtEveryCallOfANewStep) {
  kill_at_every_call(sample_checkpoint(1), sample_checkpoint(2));
}

TEST(CheckpointFaults, KilledAtEveryCallOfAReplacement) {
  kill_at_every_call(sample_checkpoint(2, 0), sample_checkpoint(2, 1));
}

TEST(CheckpointFaults, KilledAtEveryCallOfPrune) {
  for (int call = 0;; ++call) {
    SCOPED_TRACE(call);
    const TemporaryFolder folder;
    for (std::int64_t step = 1; step <= 3; ++step)
      write_checkpoint(folder.path(), sample_checkpoint(step));
    const int status = wait_for(in_child([&] {
      faults::kill_at(call);
      prune_checkpoints(folder.path(), 1);
    }));
    for (const fs::path& path : list_checkpoints(folder.path()))
      EXPECT_NO_THROW(verify_checkpoint(path));
    EXPECT_EQ(newest_good_checkpoint(folder.path()), folder / "step-00000003");
    if (WIFEXITED(status)) {
      EXPECT_GT(call, 8);
      break;
    }
  }
}

TEST(CheckpointFaults, KilledAtRandomMoments) {
  constexpr std::int64_t kElements = 200'000;
  const TemporaryFolder folder;
  write_checkpoint(folder.path(), sample_checkpoint(1, 0, kElements));
  const auto begin = std::chrono::steady_clock::now();
  write_checkpoint(folder.path(), sample_checkpoint(1, 0, kElements));
  // The time of a write varies on a busy host: kills that come too late shorten the next delay,
  // kills in time lengthen it, so that both remain frequent.
  auto latest_kill = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin);

  std::array<int, 2> started{};
  ASSERT_EQ(::pipe(started.data()), 0);
  std::mt19937_64 random(7);
  int killed = 0;
  std::int64_t step = 1;
  for (int kill = 0; kill < 60; ++kill) {
    SCOPED_TRACE(kill);
    const std::int64_t next = kill % 3 == 2 ? step : step + 1;  // every third replaces one
    const Checkpoint checkpoint = sample_checkpoint(next, kill, kElements);
    char byte = 'x';
    const ::pid_t child = in_child([&] {
      if (::write(started[1], &byte, 1) == 1) write_checkpoint(folder.path(), checkpoint);
    });
    ASSERT_EQ(::read(started[0], &byte, 1), 1);
    std::this_thread::sleep_for(latest_kill * static_cast<double>(random() % 1000) / 1000.0);
    ::kill(child, SIGKILL);
    const bool is_in_time = WIFSIGNALED(wait_for(child));
    killed += is_in_time ? 1 : 0;
    latest_kill *= is_in_time ? 1.1 : 0.7;

    const auto newest = newest_good_checkpoint(folder.path());
    ASSERT_TRUE(newest);
    const Checkpoint read = read_checkpoint(*newest);
    ASSERT_TRUE(read.step == step || read.step == next) << read.step;
    // Complete: every part has the value in state.json.
    const double value = read.state.tensors.at("k").item<double>();
    EXPECT_EQ(read.state_json, fmt::format("{{\"value\": {:.0f}}}\n", value));
    for (const auto& [name, tensor] : read.model.tensors)
      EXPECT_TRUE(tensor.eq(value).all().item<bool>()) << name;
    EXPECT_TRUE(read.state.tensors.at("moments").eq(value).all().item<bool>());
    step = read.step;
  }
  EXPECT_GT(killed, 10) << "the writer was too fast for the kills";
  for (const int end : started) ::close(end);
}

TEST(CheckpointFaults, EveryCallFailing) {
  const Checkpoint before = sample_checkpoint(2, 0);
  for (const Checkpoint& next : {sample_checkpoint(3), sample_checkpoint(2, 1)}) {
    for (const auto& [error_number, code] : {std::pair{EIO, ExitCode::kIo},
                                             {ENOSPC, ExitCode::kCannotWrite},
                                             {EDQUOT, ExitCode::kCannotWrite}}) {
      int failed = 0;
      for (int call = 0;; ++call) {
        SCOPED_TRACE(fmt::format("call {} errno {}", call, error_number));
        const TemporaryFolder folder;
        write_checkpoint(folder.path(), before);
        faults::fail_at(call, error_number);
        bool was_written = true;
        std::string message;
        try {
          write_checkpoint(folder.path(), next);
        } catch (const Error& error) {
          was_written = false;
          message = error.what();
          EXPECT_EQ(error.code(), code) << message;
        }
        const bool is_past_the_end = faults::disarm() <= call;
        EXPECT_EQ(leftovers(folder.path()), "");
        const auto newest = newest_good_checkpoint(folder.path());
        ASSERT_TRUE(newest);
        expect_same(read_checkpoint(*newest), was_written ? next : before);
        if (!was_written) {
          ++failed;
          EXPECT_NE(message.find(folder.path().string()), std::string::npos) << message;
          EXPECT_NE(message.find(" bytes was not written"), std::string::npos) << message;
        }
        if (is_past_the_end) break;
      }
      EXPECT_GE(failed, 15);
    }
  }
}

void fill_disk(const fs::path& folder) {
  std::ofstream filler(folder / "filler", std::ios::binary);
  const std::string piece(4096, 'x');
  while (filler.write(piece.data(), static_cast<std::streamsize>(piece.size())).flush()) {
  }
}

TEST(CheckpointFaults, TooLittleSpaceIsRejectedBeforeWriting) {
  const TemporaryFolder folder;
  const auto result = on_tiny_disk(folder.path(), 2 << 20, [&] {
    const fs::path checkpoints = folder / "checkpoints";
    write_checkpoint(checkpoints, sample_checkpoint(1, 0, 50'000));
    struct ::statvfs status {};
    ASSERT_EQ(::statvfs(checkpoints.c_str(), &status), 0);
    faults::kill_at(-1);
    expect_error(
        ExitCode::kCannotWrite,
        {(checkpoints / "step-00000002").string(), "needs 2466",
         fmt::format("only {} bytes free", status.f_bavail * status.f_frsize), "free some space"},
        [&] { write_checkpoint(checkpoints, sample_checkpoint(2, 0, 300'000)); });
    EXPECT_EQ(faults::disarm(), 0) << "something was written first";
    EXPECT_EQ(leftovers(checkpoints), "");
    expect_same(read_checkpoint(newest_good_checkpoint(checkpoints).value()),
                sample_checkpoint(1, 0, 50'000));
  });
  if (result == TinyDiskResult::kNotPermitted) GTEST_SKIP() << "no mounts permitted here";
  EXPECT_EQ(result, TinyDiskResult::kPassed);
}

TEST(CheckpointFaults, DiskThatFillsUpDuringWritingIsReported) {
  const TemporaryFolder folder;
  const auto result = on_tiny_disk(folder.path(), 2 << 20, [&] {
    const fs::path checkpoints = folder / "checkpoints";
    const Checkpoint first = sample_checkpoint(1, 0, 50'000);
    write_checkpoint(checkpoints, first);
    int failed = 0;
    for (int call = 0;; ++call) {
      SCOPED_TRACE(call);
      // Another program uses the rest of the disk after the check of free space.
      faults::act_at(call, [&] { fill_disk(folder.path()); });
      bool was_written = true;
      try {
        write_checkpoint(checkpoints, sample_checkpoint(2, 0, 50'000));
      } catch (const Error& error) {
        was_written = false;
        const std::string message = error.what();
        EXPECT_EQ(error.code(), ExitCode::kCannotWrite) << message;
        EXPECT_NE(message.find((checkpoints / "step-00000002").string()), std::string::npos);
        EXPECT_NE(message.find(" bytes was not written"), std::string::npos) << message;
        EXPECT_NE(message.find("No space left on device"), std::string::npos) << message;
      }
      const bool is_past_the_end = faults::disarm() <= call;
      EXPECT_EQ(leftovers(checkpoints), "");
      expect_same(read_checkpoint(newest_good_checkpoint(checkpoints).value()),
                  was_written ? sample_checkpoint(2, 0, 50'000) : first);
      failed += was_written ? 0 : 1;
      if (is_past_the_end) break;
      fs::remove_all(checkpoints / "step-00000002");
      fs::remove(folder / "filler");
    }
    EXPECT_GE(failed, 8);
  });
  if (result == TinyDiskResult::kNotPermitted) GTEST_SKIP() << "no mounts permitted here";
  EXPECT_EQ(result, TinyDiskResult::kPassed);
}

}  // namespace
}  // namespace valley
