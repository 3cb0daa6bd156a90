// Rescues of a training that was lost (train.on_divergence = "rescue"): the run returns to a
// healthy checkpoint, or to its initial state, and continues with a lower learning rate.
//
// rescues.json in the run directory lists the rescues of a run, the newest last. It is written
// before anything else changes, and is what a later launch continues from: checkpoints of undone
// steps are those after the newest rescue's step that were saved before it, by the number of
// rescues in their metadata.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "experiment/experiment.h"

namespace valley {

// Why a training cannot continue as it is.
struct TrainingLoss {
  std::int64_t step = 0;  // the last one, or the one that was not finite
  std::string kind;       // "not-finite", "divergence" or "collapse"
  std::string reason;     // a sentence without a full stop
};

struct Rescue {
  TrainingLoss loss;
  std::int64_t step = 0;  // training continues from the state after this step
  double lr_scale = 1;    // factor of the learning rate from here on, all rescues together
  // Counts from 1, after those of the run from which this one started with its state.
  std::size_t number = 1;
};

// A JSON array; empty without rescues.
[[nodiscard]] std::string to_json(const std::vector<Rescue>& rescues);
// Error kData naming `file` if `text` was not written by to_json.
[[nodiscard]] std::vector<Rescue> parse_rescues(const std::string& text, const std::string& file);

// "rescue 2 of at most 5: continues from step 300 with 0.25 times the learning rate".
[[nodiscard]] std::string describe(const Rescue& rescue, std::size_t number, std::int64_t max);
// "from step 480 to 300, from step 470 to 200"; "" if there are none.
[[nodiscard]] std::string list_rescues(const std::vector<Rescue>& rescues);

// Rank 0. The rescues of the run at `run`, for the functions below.
[[nodiscard]] std::vector<Rescue> read_rescues(const std::filesystem::path& run);
void write_rescues(const std::filesystem::path& run, const std::vector<Rescue>& rescues);

// True for a checkpoint of steps that the newest rescue has undone.
[[nodiscard]] bool is_undone(const std::filesystem::path& checkpoint,
                             const std::vector<Rescue>& rescues);

// The checkpoint from which a rescue continues.
struct RescuePlan {
  Rescue rescue;
  std::optional<std::filesystem::path> checkpoint;  // absent: the initial state
};
// The next rescue, after `before` of this run and its source: from the newest healthy checkpoint in
// `folder` before the loss. If the previous rescue continued from there, it has failed, and an
// earlier healthy one is taken if there is one. Without a healthy checkpoint from the initial
// state. nullopt after options.max_rescues.
[[nodiscard]] std::optional<RescuePlan> plan_rescue(const TrainOptions& options,
                                                    const std::filesystem::path& folder,
                                                    const TrainingLoss& loss,
                                                    const std::vector<Rescue>& rescues,
                                                    std::size_t before = 0);

}  // namespace valley
