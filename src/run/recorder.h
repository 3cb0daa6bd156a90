// Output of a run in training: stats.jsonl, the progress line, sample grids and warnings, also as
// TensorBoard events. Runs on rank 0.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>

#include "data/dataset.h"
#include "data/loader.h"
#include "record/event_writer.h"
#include "record/progress.h"
#include "record/stats_writer.h"
#include "run/evaluator.h"
#include "run/rescue.h"
#include "run/slow_ranks.h"
#include "run/step_times.h"
#include "run/validator.h"
#include "run/watch.h"
#include "storage/run_directory.h"
#include "train/trainer.h"

namespace valley {

class RunRecorder {
 public:
  // The run's config file must exist. Drops events and statistics of steps after `first_step`.
  RunRecorder(const RunDirectory& run, const Experiment& experiment, std::int64_t first_step,
              std::int64_t steps, at::Device device);

  // Writes reals.png, and fakes-init.png at step 0 if the run has none.
  void begin(const Trainer& trainer, const Dataset& dataset);
  // Call after each step. `wait_seconds`: total time training waited for the loader; `job`: set in
  // steps with a report.
  void after_step(Trainer& trainer, double wait_seconds, const std::optional<JobReport>& job);
  // Writes the rescues that stats.jsonl lacks. Call after each opening of a run that has any.
  void record_rescues(const Trainer& trainer, const std::vector<Rescue>& rescues);
  // See RunWatch.
  [[nodiscard]] std::optional<RunWarning> lost() const { return watch_.lost(); }
  [[nodiscard]] bool is_healthy(std::int64_t saved) const { return watch_.is_healthy(saved); }
  // Results of this step; `seconds`: how long training paused for them.
  void record_evaluation(const Trainer& trainer, const RunEvaluation& found, double seconds);
  void record_validation(const Trainer& trainer, const RunValidation& found, double seconds);
  void end(const Trainer& trainer);  // draws the last grid and closes the progress line

 private:
  void report(const Trainer& trainer, double wait_seconds, const JobReport& job);
  void record_peak(const Trainer& trainer, const JobPeak& peak);
  void add_rank_times(const JobReport& job, StatsLine& line) const;
  void record(std::int64_t step, const StatsLine& line);
  void exclude_time(double seconds);
  // Mean since the first report of this launch; `latest` until the second report.
  [[nodiscard]] double seconds_per_step(std::int64_t step, double latest) const;
  void warn(const Trainer& trainer, const std::vector<RunWarning>& warnings);
  void draw_samples(const Trainer& trainer, const std::filesystem::path& file);

  const RunDirectory& run_;
  const Experiment& experiment_;
  std::int64_t steps_;
  at::Device device_;
  Grid grid_;
  StatsWriter stats_;
  EventWriter events_;
  RunWatch watch_;
  SlowRanks slow_ranks_;
  Progress progress_;
  double real_distance_ = 0;  // mean pairwise distance of the real images in the grid
  std::int64_t last_drawn_ = -1;
  // State at the last report; rates are differences from it.
  std::int64_t last_step_;
  double last_wait_ = 0;
  double last_comm_ = 0;
  std::chrono::steady_clock::time_point last_time_;
  // First report of this launch. The remaining time is estimated from the steps since then, with
  // grids, evaluations and checkpoints between them.
  struct Mark {
    std::int64_t step;
    std::chrono::steady_clock::time_point time;
  };
  std::optional<Mark> first_report_;
};

}  // namespace valley
