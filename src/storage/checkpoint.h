// Checkpoints: directories that are complete or absent.
//
//   step-00012000/model.safetensors   the networks, their EMA copies; metadata: the model.* keys
//                 state.safetensors   the rest of the training state
//                 state.json          for users: step, images, versions, ranks, time
//                 COMMIT              written last: the step, sizes and SHA-256 of the three
//                                     files. Without it the checkpoint is incomplete.
//                 HEALTHY             an empty file, added later: see mark_healthy
//
// Written into a temporary directory, flushed and renamed. An existing checkpoint of the same step
// is first renamed to .old-step-NNNNNNNN and removed last; if the writer is killed between the two
// renames, that one is listed and read instead of step-NNNNNNNN, and the next write or prune
// renames it back. Both safetensors files depend only on the training: no time, no number of ranks.
// Writing and pruning: one thread of one rank at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
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

// Writes `folder`/step-NNNNNNNN and returns its path; first removes leftovers of interrupted
// writers. Error (kCannotWrite), before it writes anything, if there is less free space than the
// tensors need. Replaces a checkpoint of the same step; other checkpoints stay unchanged.
std::filesystem::path write_checkpoint(const std::filesystem::path& folder,
                                       const Checkpoint& checkpoint);

// Compares the files with COMMIT. Error (kData) naming the file that does not match, kMissingInput
// if `path` is not a checkpoint.
void verify_checkpoint(const std::filesystem::path& path);

// The same for one file, if it belongs to a checkpoint (a COMMIT is beside it that lists it); other
// files have no checksum. Error kData as above.
void verify_checkpoint_file(const std::filesystem::path& file);

// Verifies COMMIT's sizes and SHA-256, then reads. Error (kData) naming the file that does not
// match, kMissingInput if absent.
[[nodiscard]] Checkpoint read_checkpoint(const std::filesystem::path& path);

// Step in the name of a checkpoint; nullopt for other names.
[[nodiscard]] std::optional<std::int64_t> checkpoint_step(const std::filesystem::path& path);

// Committed checkpoints of a folder, oldest first. Others (interrupted, foreign) are not listed.
[[nodiscard]] std::vector<std::filesystem::path> list_checkpoints(
    const std::filesystem::path& folder);

// Newest checkpoint whose files match COMMIT, of those for which `wanted` is true (empty: all).
// Warns of damaged ones and skips them.
[[nodiscard]] std::optional<std::filesystem::path> newest_good_checkpoint(
    const std::filesystem::path& folder,
    const std::function<bool(const std::filesystem::path&)>& wanted = {});

// Marks a checkpoint after which training continued without signs of a divergence, so that a run
// can return to it.
void mark_healthy(const std::filesystem::path& checkpoint);
[[nodiscard]] bool is_marked_healthy(const std::filesystem::path& checkpoint);

// Keeps the newest `keep` (0: all) and the newest `keep_healthy` of those marked healthy; removes
// the others and leftovers of interrupted writers. Never removes the only good one.
void prune_checkpoints(const std::filesystem::path& folder, std::int64_t keep,
                       std::int64_t keep_healthy = 0);

// Renames the checkpoints after step `last_good` to suspect-step-NNNNNNNN, which are not listed,
// and returns their steps.
[[nodiscard]] std::vector<std::int64_t> rename_suspect_checkpoints(
    const std::filesystem::path& folder, std::int64_t last_good);

// Removes the checkpoints for which `unwanted` is true, the newest first.
void remove_checkpoints(const std::filesystem::path& folder,
                        const std::function<bool(const std::filesystem::path&)>& unwanted);

}  // namespace valley
