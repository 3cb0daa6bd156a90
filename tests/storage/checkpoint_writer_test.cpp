#include "storage/checkpoint_writer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <functional>
#include <future>
#include <thread>
#include <vector>

#include "core/error.h"
#include "expect_error.h"
#include "fault_injection.h"
#include "sample_checkpoint.h"
#include "support/no_threads.h"
#include "support/put_file.h"
#include "support/temporary_folder.h"

namespace valley {
namespace {

TEST(CheckpointWriter, HangingDiskDelaysOnlyTheNextCheckpoint) {
  const TemporaryFolder folder;
  CheckpointWriter writer(folder.path(), 0);
  std::promise<void> disk;
  faults::act_at(5, [&] { disk.get_future().wait(); });
  writer.write(sample_checkpoint(1));
  writer.check();
  EXPECT_TRUE(list_checkpoints(folder.path()).empty());

  std::atomic<bool> is_given = false;
  std::thread next([&] {
    writer.write(sample_checkpoint(2));
    is_given = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_FALSE(is_given);
  disk.set_value();
  next.join();
  writer.finish();
  EXPECT_GT(faults::disarm(), 5);
  ASSERT_EQ(list_checkpoints(folder.path()).size(), 2);
  for (const std::int64_t step : {1, 2}) {
    expect_same(
        read_checkpoint(list_checkpoints(folder.path()).at(static_cast<std::size_t>(step - 1))),
        sample_checkpoint(step));
  }
}

TEST(CheckpointWriter, WritesLocalCopiesBesideOrInsteadOfCheckpoints) {
  const TemporaryFolder folder;
  CheckpointWriter writer(folder / "checkpoints", 0);
  writer.set_local(folder / "local", 2);
  using Targets = CheckpointWriter::Targets;
  writer.write(sample_checkpoint(1), nullptr, Targets::kBoth);
  writer.write(sample_checkpoint(2), nullptr, Targets::kLocal);
  writer.write(sample_checkpoint(3), nullptr, Targets::kFolder);
  writer.write(sample_checkpoint(4), nullptr, Targets::kLocal);
  writer.finish();
  const auto local = list_checkpoints(folder / "local");
  ASSERT_EQ(local.size(), 2);
  EXPECT_EQ(local.front(), folder / "local/step-00000002");
  expect_same(read_checkpoint(local.back()), sample_checkpoint(4));
  const auto checkpoints = list_checkpoints(folder / "checkpoints");
  ASSERT_EQ(checkpoints.size(), 2);
  EXPECT_EQ(checkpoints.front(), folder / "checkpoints/step-00000001");
  EXPECT_EQ(checkpoints.back(), folder / "checkpoints/step-00000003");
}

TEST(CheckpointWriter, FailingLocalCopyDoesNotLoseTheCheckpoint) {
  const TemporaryFolder folder;
  put_file(folder / "file", "");
  CheckpointWriter writer(folder / "checkpoints", 0);
  writer.set_local(folder / "file", 2);
  writer.write(sample_checkpoint(1), nullptr, CheckpointWriter::Targets::kBoth);
  EXPECT_NO_THROW(writer.finish());
  EXPECT_EQ(list_checkpoints(folder / "checkpoints").size(), 1);
}

TEST(CheckpointWriter, KeepsTheNewest) {
  const TemporaryFolder folder;
  {
    CheckpointWriter writer(folder.path(), 2);
    for (std::int64_t step = 1; step <= 5; ++step) writer.write(sample_checkpoint(step));
  }  // the destructor waits
  const auto kept = list_checkpoints(folder.path());
  ASSERT_EQ(kept.size(), 2);
  EXPECT_EQ(kept.front(), folder / "step-00000004");
  expect_same(read_checkpoint(kept.back()), sample_checkpoint(5));
}

TEST(CheckpointWriter, WritesOnTheCallingThreadWhenNoThreadStarts) {
  const TemporaryFolder folder;
  CheckpointWriter writer(folder.path(), 0);
  const NoThreads none;
  writer.write(sample_checkpoint(1));
  EXPECT_EQ(newest_good_checkpoint(folder.path()), folder / "step-00000001");
  faults::fail_at(4, ENOSPC);
  expect_error(ExitCode::kCannotWrite, {(folder / "step-00000002").string(), "was not written"},
               [&] { writer.write(sample_checkpoint(2)); });
  EXPECT_GT(faults::disarm(), 4);
  writer.write(sample_checkpoint(2));
  EXPECT_EQ(newest_good_checkpoint(folder.path()), folder / "step-00000002");
}

// A checkpoint whose copies are made on the writer's thread, and their source.
struct Deferred {
  Deferred() : checkpoint(sample_checkpoint(1)), copies(std::make_shared<DeferredCopies>()) {
    at::Tensor& moments = checkpoint.state.tensors.at("moments");
    source = moments.clone();
    moments.zero_();
    copies->add(source, moments);
  }
  at::Tensor source;
  Checkpoint checkpoint;
  std::shared_ptr<DeferredCopies> copies;
};

TEST(CheckpointWriter, MakesCopiesBeforeItWrites) {
  const auto write = [](const std::filesystem::path& folder) {
    Deferred deferred;
    CheckpointWriter writer(folder, 0);
    writer.write(std::move(deferred.checkpoint), deferred.copies);
    deferred.copies->wait();
    deferred.source.fill_(-1);  // as training would
    writer.finish();
    expect_same(read_checkpoint(list_checkpoints(folder).at(0)), sample_checkpoint(1));
  };
  const TemporaryFolder folder;
  write(folder / "meanwhile");
  const NoThreads none;
  write(folder / "itself");
}

TEST(CheckpointWriter, FailedCopyIsRethrownWithoutBlocking) {
  const TemporaryFolder folder;
  Deferred deferred;
  deferred.copies->add(at::zeros({3}), at::zeros({4}));
  CheckpointWriter writer(folder.path(), 0);
  writer.write(std::move(deferred.checkpoint), deferred.copies);
  deferred.copies->wait();
  EXPECT_THROW(writer.finish(), std::exception);
  EXPECT_TRUE(list_checkpoints(folder.path()).empty());
}

// Each call reports the error once, and the writer can be used again.
TEST(CheckpointWriter, WriteErrorIsThrownByTheNextCall) {
  const TemporaryFolder folder;
  CheckpointWriter writer(folder.path(), 0);
  writer.write(sample_checkpoint(1));
  writer.finish();
  const auto check_until_it_throws = [&] {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (std::chrono::steady_clock::now() < deadline) {
      writer.check();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  };
  const std::vector<std::function<void()>> calls = {check_until_it_throws, [&] { writer.finish(); },
                                                    [&] { writer.write(sample_checkpoint(3)); }};
  for (const auto& call : calls) {
    faults::fail_at(4, ENOSPC);
    writer.write(sample_checkpoint(2));
    expect_error(ExitCode::kCannotWrite, {(folder / "step-00000002").string(), "was not written"},
                 call);
    EXPECT_GT(faults::disarm(), 4);
    EXPECT_NO_THROW(writer.check());
    EXPECT_NO_THROW(writer.finish());
    EXPECT_EQ(newest_good_checkpoint(folder.path()), folder / "step-00000001");
  }
  writer.write(sample_checkpoint(2));
  writer.finish();
  EXPECT_EQ(newest_good_checkpoint(folder.path()), folder / "step-00000002");
}

}  // namespace
}  // namespace valley
