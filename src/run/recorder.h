// What a run leaves behind while it goes: stats.jsonl, the progress line, grids of samples,
// warnings in words, and all of it once more as TensorBoard's events. Rank 0's work.
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
#include "run/validator.h"
#include "run/watch.h"
#include "storage/run_directory.h"
#include "train/trainer.h"

namespace valley {

class RunRecorder {
 public:
  // The run's config file is written. Events and statistics of steps after `first_step` are
  // dropped.
  RunRecorder(const RunDirectory& run, const Experiment& experiment, std::int64_t first_step,
              std::int64_t steps, at::Device device);

  // reals.png, and fakes-init.png for a run that starts.
  void begin(const Trainer& trainer, const Dataset& dataset);
  // After every step; `wait_seconds`: that the loader let training wait since the start; `is_last`:
  // a signal ends the run here.
  void after_step(Trainer& trainer, double wait_seconds, bool is_last);
  // What an evaluation of this step found, and the seconds that training stood still for it.
  void record_evaluation(const Trainer& trainer, const RunEvaluation& found, double seconds);
  void record_validation(const Trainer& trainer, const RunValidation& found, double seconds);
  void end(const Trainer& trainer);  // a last grid, the progress line closed

 private:
  void report(const Trainer& trainer, double wait_seconds);
  void record(std::int64_t step, const StatsLine& line);
  void leave_out(double seconds);
  // Since the first report of this start; `latest` until there is a second one.
  [[nodiscard]] double seconds_a_step(std::int64_t step, double latest) const;
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
  Progress progress_;
  double real_distance_ =
      0;  // mean pairwise distance of the reals, as sample grids state it of fakes
  std::int64_t last_drawn_ = -1;
  // Of the last report, for rates in between.
  std::int64_t last_step_;
  double last_wait_ = 0;
  double last_comm_ = 0;
  std::chrono::steady_clock::time_point last_time_;
  // The first report of this start. The steps since then, with all that came between them, say how
  // long the rest takes.
  struct Mark {
    std::int64_t step;
    std::chrono::steady_clock::time_point time;
  };
  std::optional<Mark> first_report_;
};

}  // namespace valley
