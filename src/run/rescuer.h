// Finds out on all ranks that a training is lost, and rescues it (run/rescue.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "comm/world.h"
#include "core/config.h"
#include "data/dataset.h"
#include "experiment/experiment.h"
#include "run/rescue.h"
#include "run/watch.h"
#include "storage/run_directory.h"
#include "train/trainer.h"

namespace valley {

class RunRescuer {
 public:
  // The arguments must outlive this object.
  RunRescuer(World& world, const Experiment& experiment, const Schema& schema)
      : world_(world), experiment_(experiment), schema_(schema) {}

  // Collective, before the state is restored. `run`: on rank 0, the run that continues, or null.
  void open(const RunDirectory* run);

  // True if a lost training is rescued (train.on_divergence).
  [[nodiscard]] bool is_on() const {
    return experiment_.train.on_divergence == OnDivergence::kRescue;
  }
  // Healthy checkpoints that pruning leaves.
  [[nodiscard]] std::int64_t healthy_to_keep() const { return is_on() ? kHealthy : 0; }
  // Of this run, with those of earlier launches; equal on all ranks.
  [[nodiscard]] const std::vector<Rescue>& rescues() const { return rescues_; }

  // Why a run ends with a loss, with the rescues before it.
  [[nodiscard]] std::string end_reason(const TrainingLoss& loss) const;
  // The rescues for exit.json; "" if there are none.
  [[nodiscard]] std::string record() const { return rescues_.empty() ? "" : to_json(rescues_); }

  // Collective at steps after which rank 0 may know that the training is lost: on all ranks what
  // rank 0 has `found`.
  [[nodiscard]] std::optional<TrainingLoss> agree(std::int64_t step,
                                                  const std::optional<RunWarning>& found);

  // Call after `trainer` took a state with `counted` rescues before it (rescues_before; 0: the
  // initial state): completes a rescue whose first checkpoint was not written.
  void apply(Trainer& trainer, std::size_t counted) const;

  // Collective. Returns `trainer` to an earlier state with a lower learning rate; false if there
  // were enough rescues. `run`: on rank 0, whose checkpoints are complete. A trainer without a
  // checkpoint to return to is constructed anew.
  [[nodiscard]] bool rescue(const TrainingLoss& loss, const RunDirectory* run,
                            std::unique_ptr<Trainer>& trainer, const Dataset& data);

 private:
  static constexpr std::int64_t kHealthy = 2;  // the newest one, and one for when that fails

  World& world_;
  const Experiment& experiment_;
  const Schema& schema_;
  std::vector<Rescue> rescues_;
};

}  // namespace valley
