// State and loop of one training. Used by training_run.cpp, which starts it, and training_loop.cpp
// only.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "comm/world.h"
#include "core/warning_recorder.h"
#include "experiment/experiment.h"
#include "flight/watchdog.h"
#include "plan/run_plan.h"
#include "run/auditor.h"
#include "run/batches.h"
#include "run/data.h"
#include "run/evaluator.h"
#include "run/failure.h"
#include "run/local_copies.h"
#include "run/recorder.h"
#include "run/rescuer.h"
#include "run/resume.h"
#include "run/run_trace.h"
#include "run/saver.h"
#include "run/step_times.h"
#include "run/time_keeper.h"
#include "run/training_run.h"
#include "run/validator.h"
#include "train/trainer.h"

namespace valley {

class TrainingRun {
 public:
  TrainingRun(World& world, const TrainRequest& request, Experiment& experiment, Schema& schema)
      : world_(world),
        request_(request),
        experiment_(experiment),
        schema_(schema),
        rescuer_(world, experiment, schema),
        copies_(world, experiment),
        saver_(world, experiment, schema, request.version, clock_),
        trace_(world, parse_trace_range(experiment.train.trace, "train.trace")) {}

  int run();

 private:
  [[nodiscard]] bool is_root() { return world_.rank() == 0; }
  [[nodiscard]] StartRequest start_request() const {
    return {request_.resume, request_.out, request_.name, request_.fork};
  }
  void agree();
  void start_watching();
  int dry_run(const RunPlan& plan);
  void check_launch(const std::filesystem::path& folder,
                    const std::optional<std::filesystem::path>& checkpoint);
  void choose();
  void restore();
  void open_run();
  [[nodiscard]] bool is_stop_requested_anywhere();
  void open_recorder();
  int loop();
  void run_steps();
  void step(const Batch& batch);
  [[nodiscard]] bool is_not_finite(const StepStatus& status);
  void record_step(double wait_seconds, const std::optional<JobReport>& job);
  void find_loss();
  bool rescue();
  [[nodiscard]] bool is_evaluation_due() const;
  [[nodiscard]] bool is_validation_due() const;
  [[nodiscard]] bool is_save_due() const;
  [[nodiscard]] bool is_observed() const;
  // True after steps whose results are used at once. Ranks then wait for their devices in a way
  // that notices the loss of a rank; what follows waits without that.
  [[nodiscard]] bool is_state_used() const {
    return is_observed() || is_validation_due() || is_save_due();
  }
  void evaluate();
  void validate();
  void save();
  void record(const Failure& failure);
  void mark_healthy_checkpoints();
  [[nodiscard]] int diverged();
  [[nodiscard]] int corrupted(const CorruptionFound& found);
  int finish(bool stopped);

  TimeKeeper clock_;
  World& world_;
  const TrainRequest& request_;
  Experiment& experiment_;
  Schema& schema_;
  RunData data_;
  std::int64_t steps_ = 0;
  MemoryPlan memory_;
  std::string space_;                             // text about the disk space for checkpoints
  std::optional<log::WarningRecorder> warnings_;  // for the JSON plan
  std::optional<RunDirectory> run_;               // rank 0
  std::string run_path_;                          // "" until run.json has this launch
  std::optional<RunEvaluator> evaluator_;         // if evaluate.every is set
  std::optional<RunValidator> validator_;         // if data.validation is set
  std::optional<RunAuditor> auditor_;
  std::chrono::steady_clock::time_point loop_began_;
  std::optional<RunRecorder> recorder_;  // rank 0
  std::string checkpoint_;               // to restore; "": none
  std::string model_;                    // to start from; "": none
  Trainer::Adopted adopted_;             // from model_
  std::unique_ptr<Trainer> trainer_;
  RunRescuer rescuer_;
  LocalCopies copies_;
  bool continues_copy_ = false;       // the newest state is a local copy
  std::optional<TrainingLoss> lost_;  // why training cannot continue
  RunSaver saver_;
  RunTrace trace_;
  std::optional<JobPeak> peak_;
  std::unique_ptr<Watchdog> watchdog_;  // last: its thread uses the others
};

}  // namespace valley
