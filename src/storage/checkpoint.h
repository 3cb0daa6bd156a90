// Checkpoints: a directory that is whole or absent.
//
//   step-00012000/model.safetensors   the networks, their EMA copies; metadata: the model.* keys
//                 state.safetensors   all else that training continues from
//                 state.json          for people: step, images, versions, ranks, time
//                 COMMIT              written last: the step, sizes and SHA-256 of the three
//                                     files. Without it this is no checkpoint.
//
// Written into a temporary directory beside it, flushed, renamed. A checkpoint of the same step is
// first renamed to .old-step-NNNNNNNN and removed last; while only that one is there (the writer
// was killed between two renames) it is listed and read in the place of step-NNNNNNNN, and the next
// write or prune gives it its name back. Both safetensors files hold nothing but the training: no
// time, no number of ranks. Writing and pruning: one thread of one rank at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "storage/safetensors.h"

namespace valley {

struct Checkpoint {
  std::int64_t step = 0;
  TensorFile model;
  TensorFile state;
  std::string state_json;  // a JSON object
};

// Writes `folder`/step-NNNNNNNN and returns its path; first removes what interrupted writers left.
// Needs about the tensors' bytes of free space
// and says so up front when there is less (kCannotWrite, naming the path, the bytes needed and
// free); an earlier checkpoint is never touched. Replaces a checkpoint of the same step.
std::filesystem::path write_checkpoint(const std::filesystem::path& folder,
                                       const Checkpoint& checkpoint);

// Compares the files with COMMIT. Error (kData) naming the file that does not match, kMissingInput
// when `path` is no checkpoint.
void verify_checkpoint(const std::filesystem::path& path);

// Verifies COMMIT's sizes and SHA-256, then reads. Error (kData) naming the file that does not
// match, kMissingInput if absent.
[[nodiscard]] Checkpoint read_checkpoint(const std::filesystem::path& path);

// The step of a checkpoint, as its name says; nothing when it is not named as one.
[[nodiscard]] std::optional<std::int64_t> checkpoint_step(const std::filesystem::path& path);

// Committed checkpoints of a folder, oldest first. Others (interrupted, foreign) are not listed.
[[nodiscard]] std::vector<std::filesystem::path> list_checkpoints(
    const std::filesystem::path& folder);

// The newest checkpoint whose files match COMMIT; those that do not are named in a warning and
// passed over.
[[nodiscard]] std::optional<std::filesystem::path> newest_good_checkpoint(
    const std::filesystem::path& folder);

// Keeps the newest `keep` (0: all) and removes the rest and what interrupted writers left. Never
// removes the only good one.
void prune_checkpoints(const std::filesystem::path& folder, std::int64_t keep);

}  // namespace valley
