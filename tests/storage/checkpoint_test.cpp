#include "storage/checkpoint.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "core/hash.h"
#include "core/read_file.h"
#include "expect_error.h"
#include "sample_checkpoint.h"
#include "support/put_file.h"
#include "support/temporary_folder.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

const std::set<std::string> kFiles = {"COMMIT", "model.safetensors", "state.json",
                                      "state.safetensors"};

std::set<std::string> names_in(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    names.insert(entry.path().filename().string());
  return names;
}

void flip_bit(const fs::path& path, std::size_t byte, unsigned bit) {
  std::string text = read_file(path);
  text.at(byte) = static_cast<char>(text.at(byte) ^ static_cast<char>(1U << bit));
  put_file(path, text);
}

TEST(Checkpoint, RoundTripMatchesCommit) {
  const TemporaryFolder folder;
  const Checkpoint written = sample_checkpoint(12000);
  const fs::path path = write_checkpoint(folder / "runs/checkpoints", written);
  EXPECT_EQ(path, folder / "runs/checkpoints/step-00012000");
  EXPECT_EQ(names_in(path), kFiles);
  EXPECT_EQ(leftovers(path.parent_path()), "");
  expect_same(read_checkpoint(path), written);

  const auto commit = nlohmann::json::parse(read_file(path / "COMMIT"));
  EXPECT_EQ(commit["format"], "valley-checkpoint");
  EXPECT_EQ(commit["version"], 1);
  EXPECT_EQ(commit["step"], 12000);
  EXPECT_EQ(commit["files"].size(), 3U);
  for (const auto& [name, file] : commit["files"].items()) {
    EXPECT_EQ(file["bytes"], fs::file_size(path / name)) << name;
    EXPECT_EQ(file["sha256"], sha256_of_file(path / name)) << name;
  }
}

TEST(Checkpoint, SameContentsSameBytes) {
  const TemporaryFolder folder;
  const fs::path a = write_checkpoint(folder / "a", sample_checkpoint(3));
  const fs::path b = write_checkpoint(folder / "b", sample_checkpoint(3));
  for (const std::string& name : kFiles) EXPECT_EQ(read_file(a / name), read_file(b / name));
}

TEST(Checkpoint, KnowsItsStepUnderAnyName) {
  const TemporaryFolder folder;
  fs::rename(write_checkpoint(folder.path(), sample_checkpoint(7)), folder / "best");
  EXPECT_EQ(read_checkpoint(folder / "best").step, 7);
}

TEST(Checkpoint, ReplacesOneOfTheSameStep) {
  const TemporaryFolder folder;
  write_checkpoint(folder.path(), sample_checkpoint(5, 0));
  const fs::path path = write_checkpoint(folder.path(), sample_checkpoint(5, 1));
  expect_same(read_checkpoint(path), sample_checkpoint(5, 1));
  EXPECT_EQ(names_in(folder.path()), std::set<std::string>{"step-00000005"});
}

TEST(Checkpoint, ReplacesADirectoryWithoutCommit) {
  const TemporaryFolder folder;
  put_file(folder / "step-00000005/model.safetensors", "half");
  EXPECT_TRUE(list_checkpoints(folder.path()).empty());
  const fs::path path = write_checkpoint(folder.path(), sample_checkpoint(5));
  expect_same(read_checkpoint(path), sample_checkpoint(5));
  EXPECT_EQ(leftovers(folder.path()), "");
}

TEST(Checkpoint, ListsCommittedOnesOldestFirst) {
  const TemporaryFolder folder;
  EXPECT_TRUE(list_checkpoints(folder / "absent").empty());
  EXPECT_EQ(newest_good_checkpoint(folder / "absent"), std::nullopt);
  for (const std::int64_t step : {100000000, 20, 3})
    write_checkpoint(folder.path(), sample_checkpoint(step));
  put_file(folder / "step-00000004/model.safetensors", "no COMMIT");
  put_file(folder / "step-5/COMMIT", "too few digits");
  put_file(folder / "step-00000006x/COMMIT", "foreign");
  put_file(folder / ".tmp-step-00000007-1/COMMIT", "being written");
  put_file(folder / "step-00000008", "a file");
  EXPECT_EQ(list_checkpoints(folder.path()),
            (std::vector<fs::path>{folder / "step-00000003", folder / "step-00000020",
                                   folder / "step-100000000"}));
  EXPECT_EQ(newest_good_checkpoint(folder.path()), folder / "step-100000000");
}

TEST(Checkpoint, OldCheckpointCountsUntilItsReplacementIsCommitted) {
  const TemporaryFolder folder;
  const fs::path aside = folder / ".old-step-00000009";
  const auto set_aside = [&] { fs::rename(folder / "step-00000009", aside); };
  write_checkpoint(folder.path(), sample_checkpoint(8));
  write_checkpoint(folder.path(), sample_checkpoint(9));
  set_aside();
  EXPECT_EQ(newest_good_checkpoint(folder.path()), aside);
  expect_same(read_checkpoint(aside), sample_checkpoint(9));

  prune_checkpoints(folder.path(), 0);
  EXPECT_EQ(newest_good_checkpoint(folder.path()), folder / "step-00000009");
  set_aside();
  write_checkpoint(folder.path(), sample_checkpoint(10));
  EXPECT_EQ(list_checkpoints(folder.path()).size(), 3U);
  EXPECT_EQ(leftovers(folder.path()), "");

  // Killed after the second rename, before the removal: the new one counts.
  set_aside();
  fs::rename(write_checkpoint(folder / "other", sample_checkpoint(9, 1)), folder / "step-00000009");
  fs::remove_all(folder / "other");
  EXPECT_EQ(list_checkpoints(folder.path()).size(), 3U);
  expect_same(read_checkpoint(folder / "step-00000009"), sample_checkpoint(9, 1));
  prune_checkpoints(folder.path(), 0);
  EXPECT_EQ(leftovers(folder.path()), "");
}

TEST(Checkpoint, FlippedByteIsRejectedAndTheEarlierCheckpointUsed) {
  for (const std::string& name : kFiles) {
    const TemporaryFolder folder;
    write_checkpoint(folder.path(), sample_checkpoint(1));
    const fs::path path = write_checkpoint(folder.path(), sample_checkpoint(2));
    flip_bit(path / name, fs::file_size(path / name) / 2, 4);
    expect_error(ExitCode::kData, {(path / name).string(), "damaged", "earlier checkpoint"},
                 [&] { static_cast<void>(read_checkpoint(path)); });
    ::testing::internal::CaptureStderr();
    EXPECT_EQ(newest_good_checkpoint(folder.path()), folder / "step-00000001");
    const std::string warning = ::testing::internal::GetCapturedStderr();
    EXPECT_NE(warning.find("warning: skipping the checkpoint " + path.string()), std::string::npos)
        << warning;
    EXPECT_NE(warning.find(name), std::string::npos) << warning;
  }
}

TEST(Checkpoint, EveryFlippedBitOfCommitIsRejected) {
  const TemporaryFolder folder;
  const fs::path path = write_checkpoint(folder.path(), sample_checkpoint(2, 0, 4));
  const std::string commit = read_file(path / "COMMIT");
  for (std::size_t byte = 0; byte < commit.size(); ++byte) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      flip_bit(path / "COMMIT", byte, bit);
      EXPECT_THROW(verify_checkpoint(path), Error) << "byte " << byte << " bit " << bit;
      put_file(path / "COMMIT", commit);
    }
  }
}

TEST(Checkpoint, MissingAndTruncatedFilesAreNamed) {
  const TemporaryFolder folder;
  const fs::path path = write_checkpoint(folder.path(), sample_checkpoint(2));
  const auto read = [&] { static_cast<void>(read_checkpoint(path)); };
  fs::resize_file(path / "state.safetensors", fs::file_size(path / "state.safetensors") - 1);
  expect_error(ExitCode::kData, {"state.safetensors", "where COMMIT says"}, read);
  fs::remove(path / "model.safetensors");
  expect_error(ExitCode::kData, {"model.safetensors", "missing"}, read);
  put_file(path / "COMMIT", "{\"format\": \"valley-checkpoint\", \"version\": 2}");
  expect_error(ExitCode::kData, {"COMMIT", "version 2", "update valley"}, read);
  put_file(path / "COMMIT", std::string(2 << 20, ' '));
  expect_error(ExitCode::kData, {"COMMIT", "damaged"}, read);
  fs::remove(path / "COMMIT");
  expect_error(ExitCode::kMissingInput, {path.string(), "no COMMIT"}, read);
  fs::remove_all(path);
  expect_error(ExitCode::kMissingInput, {"there is no checkpoint", path.string()}, read);
}

TEST(Checkpoint, PruneKeepsTheNewest) {
  const TemporaryFolder folder;
  for (std::int64_t step = 1; step <= 5; ++step)
    write_checkpoint(folder.path(), sample_checkpoint(step));
  put_file(folder / ".tmp-step-00000006-1/model.safetensors", "left by a killed writer");
  put_file(folder / "notes.txt", "a user's");
  prune_checkpoints(folder.path(), 0);
  EXPECT_EQ(list_checkpoints(folder.path()).size(), 5U);
  prune_checkpoints(folder.path(), 7);
  EXPECT_EQ(list_checkpoints(folder.path()).size(), 5U);
  prune_checkpoints(folder.path(), 2);
  EXPECT_EQ(names_in(folder.path()),
            (std::set<std::string>{"notes.txt", "step-00000004", "step-00000005"}));
  prune_checkpoints(folder / "absent", 2);
}

TEST(Checkpoint, PruneNeverRemovesTheOnlyGoodOne) {
  const TemporaryFolder folder;
  for (std::int64_t step = 1; step <= 4; ++step)
    write_checkpoint(folder.path(), sample_checkpoint(step));
  for (const char* damaged : {"step-00000003", "step-00000004"})
    flip_bit(folder / damaged / "model.safetensors", 500, 0);
  prune_checkpoints(folder.path(), 1);
  EXPECT_EQ(names_in(folder.path()), (std::set<std::string>{"step-00000002", "step-00000004"}));
  EXPECT_EQ(newest_good_checkpoint(folder.path()), folder / "step-00000002");
}

TEST(Checkpoint, PruneKeepsTheNewestHealthyOnes) {
  const TemporaryFolder folder;
  for (std::int64_t step = 1; step <= 6; ++step) {
    const fs::path path = write_checkpoint(folder.path(), sample_checkpoint(step));
    EXPECT_FALSE(is_marked_healthy(path));
    if (step <= 3) mark_healthy(path);
  }
  verify_checkpoint(folder / "step-00000003");  // the mark is not part of the checkpoint
  EXPECT_TRUE(is_marked_healthy(folder / "step-00000003"));
  prune_checkpoints(folder.path(), 1, 2);
  EXPECT_EQ(names_in(folder.path()),
            (std::set<std::string>{"step-00000002", "step-00000003", "step-00000006"}));
  mark_healthy(folder / "step-00000006");
  prune_checkpoints(folder.path(), 1, 2);
  EXPECT_EQ(names_in(folder.path()), (std::set<std::string>{"step-00000003", "step-00000006"}));
}

TEST(Checkpoint, NewestGoodOneOfThoseWanted) {
  const TemporaryFolder folder;
  for (std::int64_t step = 1; step <= 4; ++step)
    write_checkpoint(folder.path(), sample_checkpoint(step));
  flip_bit(folder / "step-00000003/model.safetensors", 500, 0);
  const auto below = [](std::int64_t step) {
    return [step](const fs::path& path) { return *checkpoint_step(path) < step; };
  };
  EXPECT_EQ(newest_good_checkpoint(folder.path(), below(4)), folder / "step-00000002");
  EXPECT_EQ(newest_good_checkpoint(folder.path(), below(1)), std::nullopt);
  remove_checkpoints(folder.path(), [&](const fs::path& path) { return !below(3)(path); });
  EXPECT_EQ(names_in(folder.path()), (std::set<std::string>{"step-00000001", "step-00000002"}));
}

TEST(Checkpoint, FolderThatCannotBeCreatedIsNamed) {
  const TemporaryFolder folder;
  put_file(folder / "file", "");
  expect_error(ExitCode::kCannotWrite, {(folder / "file").string()},
               [&] { write_checkpoint(folder / "file", sample_checkpoint(1)); });
  expect_error(ExitCode::kCannotWrite, {(folder / "file").string()},
               [&] { write_checkpoint(folder / "file/checkpoints", sample_checkpoint(1)); });
}

}  // namespace
}  // namespace valley
