// The checkpoints of a run in training.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "comm/world.h"
#include "core/config.h"
#include "data/dataset.h"
#include "experiment/experiment.h"
#include "run/time_keeper.h"
#include "storage/checkpoint_writer.h"
#include "train/trainer.h"

namespace valley {

class RunSaver {
 public:
  // The references must outlive this object. `version`: of the program, for state.json.
  // `clock` gets the time that training waits, and a line per checkpoint.
  RunSaver(World& world, const Experiment& experiment, const Schema& schema, std::string version,
           TimeKeeper& clock)
      : world_(world),
        experiment_(experiment),
        schema_(schema),
        version_(std::move(version)),
        clock_(clock) {}

  // Rank 0, once: the run's folder of checkpoints, and the number of healthy ones to keep.
  void open(const std::filesystem::path& folder, std::int64_t keep_healthy);
  // Rank 0: rethrows the error of a checkpoint whose writing has ended.
  void check() { writer_->check(); }
  // Rank 0: true if checkpoint.every_seconds have passed since the last checkpoint began.
  [[nodiscard]] bool is_time_over() const;
  // Rank 0: waits until the last checkpoint is on disk.
  void finish() { writer_->finish(); }

  // Collective; checks that all ranks have the same state.
  void save(Trainer& trainer, const Dataset& data);
  // The same between steps: with checkpoint.background training continues while rank 0 copies and
  // writes; only the next update of the networks waits for the copy.
  void save_between_steps(Trainer& trainer, const Dataset& data);
  // Collective. Returns when the current state is on disk.
  void complete(Trainer& trainer, const Dataset& data);
  // The state after `step` is on disk already; negative: no state is.
  void set_saved(std::int64_t step) { last_saved_ = step; }
  // Logs how long training has waited for checkpoints between steps.
  void log_stalls() const;

 private:
  void write(Trainer& trainer, const Dataset& data, bool in_background);

  World& world_;
  const Experiment& experiment_;
  const Schema& schema_;
  std::string version_;
  TimeKeeper& clock_;
  std::optional<CheckpointWriter> writer_;  // rank 0
  std::int64_t last_saved_ = -1;
  std::chrono::steady_clock::time_point saved_at_ = std::chrono::steady_clock::now();
  std::int64_t saves_ = 0;      // checkpoints between steps
  double stalled_seconds_ = 0;  // time that training waited for these
};

}  // namespace valley
