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
  // Any rank, before or after `open`: the folder of its host for local copies.
  void open_local(const std::filesystem::path& folder);
  // Rank 0: rethrows the error of a checkpoint whose writing has ended.
  void check() { writer_->check(); }
  // Rank 0: true if checkpoint.every_seconds have passed since the last checkpoint began.
  [[nodiscard]] bool is_time_over() const;
  // Rank 0: true if checkpoint.local_every_seconds have passed since the last save of any kind
  // began, and that is complete.
  [[nodiscard]] bool is_local_time_over() const;
  // Collective: true if a save that rank 0 asked for is a checkpoint of the run, not only a local
  // copy.
  [[nodiscard]] bool is_checkpoint_asked();
  // Waits until what this rank writes is on disk.
  void finish();

  // Collective; checks that all ranks have the same state.
  void save(Trainer& trainer, const Dataset& data);
  // The same between steps, with local copies, or these alone: with checkpoint.background training
  // continues while ranks copy and write; only the next update of the networks waits for the copy.
  void save_between_steps(Trainer& trainer, const Dataset& data, bool is_checkpoint);
  // Collective. Returns when the current state is on disk.
  void complete(Trainer& trainer, const Dataset& data);
  // The state after `step` is on disk already; negative: no state is.
  void set_saved(std::int64_t step) { last_saved_ = step; }
  // Logs how long training has waited for checkpoints between steps.
  void log_stalls() const;

 private:
  using Targets = CheckpointWriter::Targets;
  void write(Trainer& trainer, const Dataset& data, bool in_background, Targets targets);
  void write_here(Trainer& trainer, const Dataset& data, const TensorMap& owned, bool in_background,
                  Targets targets);
  [[nodiscard]] bool has_local() const { return !experiment_.checkpoint.local.empty(); }

  World& world_;
  const Experiment& experiment_;
  const Schema& schema_;
  std::string version_;
  TimeKeeper& clock_;
  std::optional<CheckpointWriter> writer_;  // rank 0, and ranks that write local copies
  bool writes_local_ = false;
  std::int64_t last_saved_ = -1;
  std::chrono::steady_clock::time_point saved_at_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point local_saved_at_ = std::chrono::steady_clock::now();
  std::int64_t saves_ = 0;        // checkpoints between steps
  double stalled_seconds_ = 0;    // time that training waited for these
  std::int64_t local_saves_ = 0;  // local copies without a checkpoint
  double local_stalled_seconds_ = 0;
};

}  // namespace valley
