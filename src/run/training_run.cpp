#include "run/training_run.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/log.h"
#include "core/self_digest.h"
#include "core/text.h"
#include "core/warning_recorder.h"
#include "flight/flight_recorder.h"
#include "flight/watchdog.h"
#include "kernels/device.h"
#include "plan/memory_check.h"
#include "plan/run_plan.h"
#include "run/auditor.h"
#include "run/batches.h"
#include "run/corruption.h"
#include "run/data.h"
#include "run/dry_run.h"
#include "run/evaluator.h"
#include "run/failure.h"
#include "run/launch_record.h"
#include "run/local_copies.h"
#include "run/preflight.h"
#include "run/recorder.h"
#include "run/rescuer.h"
#include "run/resume.h"
#include "run/run_trace.h"
#include "run/saver.h"
#include "run/step_times.h"
#include "run/stop_signal.h"
#include "run/time_keeper.h"
#include "run/validator.h"
#include "storage/checkpoint.h"
#include "train/trainer.h"

namespace valley {
namespace {

// State and training loop of one run.
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
  [[nodiscard]] bool is_state_used() const {
    return is_evaluation_due() || is_validation_due() || is_save_due();
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

int TrainingRun::run() {
  if (request_.dry_run && request_.json) warnings_.emplace();
  data_ = open_run_data(world_, experiment_);
  agree();
  steps_ = experiment_.total_steps(data_.training->size());
  const int threads = set_arithmetic_of(world_, experiment_);
  const RunPlan plan = plan_run(world_, experiment_);
  if (!request_.dry_run) start_watching();
  const MicrobatchPlan& shares = plan.shares;
  memory_ = plan.memory;
  static_cast<void>(rank_zero_first(world_, [&] {
    require_evaluable(experiment_, *data_.training);
    return true;
  }));
  require_cache_room(world_, experiment_, *data_.training,
                     memory_.parameters + memory_.per_image * shares.size);
  // These are all checks that do not need a Trainer or a run; no file exists yet.
  if (request_.dry_run) return dry_run(plan);
  trainer_ = with_memory_advice(memory_, shares, [&] {
    return std::make_unique<Trainer>(experiment_, shares, world_.device(), data_.training->size());
  });
  choose();
  restore();
  const TerminateRecord at_terminate([this](const Failure& failure) { record(failure); });
  try {
    open_run();
    const at::Device device = world_.device().device();
    log::info_every_rank("{}: {} of {} images per step, {} micro-batch(es) of {}, {} thread(s), {}",
                         device.str(), shares.share(), shares.global_batch, shares.per_rank,
                         shares.size, threads, name_of(precision_on(experiment_, device)));
    return with_memory_advice(memory_, shares, [&] { return loop(); });
  } catch (...) {
    const Failure failure = current_failure();
    // MPI tells that a rank is lost, the watchdog which one: it has the first word.
    constexpr std::chrono::seconds kVerdictPatience{3};
    if (failure.code == ExitCode::kRankLost && watchdog_)
      std::this_thread::sleep_for(kVerdictPatience);
    record(failure);
    throw;
  }
}

// Called on the rank that fails. May fail itself (disk full); that must not hide the first failure.
void TrainingRun::record(const Failure& failure) {
  if (run_path_.empty()) return;
  const auto code = static_cast<int>(failure.code);
  try {
    if (is_root()) {
      run_->record_failure(code, failure.message, this_rank());
    } else {
      record_failure(run_path_, code, failure.message, this_rank());
    }
  } catch (const std::exception& second) {
    log::warn("this failure could not be recorded in exit.json and run.json: {}", second.what());
  }
}

// Checks that all ranks have the same program, config and data. A wrong file on one host would give
// wrong results without an error.
void TrainingRun::agree() {
  world_.require_equal("the program's version", request_.version);
  world_.require_equal("the config", schema_.to_toml());
  require_same_data(world_, data_);
}

// From here on a rank that hangs ends the job.
void TrainingRun::start_watching() {
  if (experiment_.train.hang_timeout == 0) return;
  WatchdogSettings settings;
  settings.rank = world_.rank();
  settings.size = world_.size();
  settings.hang_timeout_s = static_cast<double>(experiment_.train.hang_timeout);
  settings.report = [this](const Verdict& verdict) {
    record({ExitCode::kRankLost, verdict.text});
    log::error("{}{}", verdict.text,
               run_path_.empty() ? "" : "; records of all ranks: " + run_path_ + "/flight");
  };
  settings.end_job = [](const Verdict& verdict) {
    const bool may_be_cut_off =
        verdict.kind == HangKind::kUnreachable || verdict.kind == HangKind::kNetwork;
    if (may_be_cut_off) end_launcher_later();
    abort_job(static_cast<int>(ExitCode::kRankLost));
  };
  settings.end_rank = [] {
    end_launcher_later();
    abort_job(static_cast<int>(ExitCode::kRankLost));
  };
  watchdog_ = start_watchdog(settings, {[this](const auto& text) { return world_.broadcast(text); },
                                        [this](const auto& text) { return world_.gather(text); }});
}

int TrainingRun::dry_run(const RunPlan& plan) {
  PlanFacts facts;
  facts.devices = find_plan_devices(world_);
  if (is_root()) {
    facts.memory_per_rank = memory_per_rank(world_);
    facts.steps = steps_;
    facts.launch =
        preview_run(start_request(), schema_,
                    [this](const auto& folder, const auto& from) { check_launch(folder, from); });
    facts.checkpoints = space_;
    if (request_.json) facts.warnings = warnings_->texts();
    print_plan(request_, experiment_, schema_, plan, *data_.training, facts);
  }
  world_.host().barrier();
  return static_cast<int>(ExitCode::kDone);
}

// Checks, before anything is created, that the checkpoint fits config and data and that the disk
// has space for new checkpoints.
void TrainingRun::check_launch(const std::filesystem::path& folder,
                               const std::optional<std::filesystem::path>& checkpoint) {
  if (checkpoint) {
    require_same_training(outline_safetensors(*checkpoint / "state.safetensors").metadata, schema_,
                          experiment_.data.path, data_.training->fingerprint(),
                          checkpoint->string());
  }
  const std::int64_t first = checkpoint ? checkpoint_step(*checkpoint).value_or(0) : 0;
  std::error_code ignored;
  const std::size_t present =
      std::filesystem::is_directory(folder, ignored) ? list_checkpoints(folder).size() : 0;
  CheckpointOptions kept = experiment_.checkpoint;
  if (kept.keep > 0) kept.keep += rescuer_.healthy_to_keep();
  const CheckpointNeed need =
      checkpoint_need(memory_.checkpoint, kept, first, steps_, static_cast<std::int64_t>(present));
  require_checkpoint_space(folder, need);
  space_ = describe_space(folder, need);
}

// Writes nothing, so that a launch that is rejected leaves no files.
void TrainingRun::choose() {
  StartRequest request = start_request();
  if (copies_.is_on())
    request.newer_than = copies_.find(is_root() ? find_continued_run(request) : std::nullopt);
  if (is_root()) {
    RunChoice choice = choose_run(request, schema_, [this](const auto& folder, const auto& from) {
      check_launch(folder, from);
    });
    if (choice.run) run_.emplace(std::move(*choice.run));
    if (choice.checkpoint) checkpoint_ = choice.checkpoint->string();
    model_ = choice.model.string();
  }
  checkpoint_ = world_.broadcast(checkpoint_);
  continues_copy_ = request.newer_than >= 0 && checkpoint_.empty();
  model_ = world_.broadcast(model_);
  rescuer_.open(run_ ? &*run_ : nullptr);
}

void TrainingRun::restore() {
  std::size_t rescues = 0;
  if (!checkpoint_.empty() || continues_copy_) {
    const std::string where = continues_copy_ ? copies_.describe() : checkpoint_;
    const Checkpoint checkpoint =
        continues_copy_ ? copies_.read()
                        : rank_zero_first(world_, [&] { return read_checkpoint(checkpoint_); });
    trainer_->restore(checkpoint, schema_, data_.training->fingerprint(), where);
    rescues = rescues_before(checkpoint.state.metadata);
  } else if (!model_.empty()) {
    adopted_ = start_from(world_, request_.fork, model_, schema_, *trainer_);
  }
  rescuer_.apply(*trainer_, rescues);
  world_.require_equal("the state of the networks", trainer_->digest());
}

void TrainingRun::open_run() {
  bool is_continued = false;
  std::string path;
  if (is_root()) {
    is_continued = run_.has_value();
    if (!run_) run_.emplace(RunDirectory::create(request_.out, request_.name));
    log::tee_to(run_->log_file().string());
    run_->record_start(write_launch_record(
        world_, request_, data_.training->fingerprint(),
        continues_copy_ ? copies_.describe() : checkpoint_, model_,
        copies_.choose_id(is_continued ? std::optional(run_->path()) : std::nullopt)));
    remove_checkpoints(run_->checkpoints(), [this](const auto& checkpoint) {
      return is_undone(checkpoint, rescuer_.rescues());
    });
    saver_.open(run_->checkpoints(), rescuer_.healthy_to_keep());
    clock_.open(run_->time_file(), trainer_->steps_done());
    path = std::filesystem::absolute(run_->path()).string();
    log::info("run: {}", run_->path().string());
    if (!checkpoint_.empty() || continues_copy_)
      log::info("resumed from {} at step {}", continues_copy_ ? copies_.describe() : checkpoint_,
                trainer_->steps_done());
    if (!model_.empty()) log_adopted(adopted_, model_);
  }
  run_path_ = world_.broadcast(path);
  trace_.open(run_path_, steps_);
  if (const auto folder = copies_.open(run_path_, trainer_->steps_done()))
    saver_.open_local(*folder);
  if (watchdog_) watchdog_->set_folder(std::filesystem::path(run_path_) / "flight");
  if (!checkpoint_.empty() || !model_.empty()) {
    // A new run from another run's weights saves its own checkpoint before its first step.
    if (world_.broadcast(is_continued ? "own" : "another's") == "own") {
      saver_.set_saved(trainer_->steps_done());
    } else {
      saver_.save(*trainer_, *data_.training);
      // The state to which a rescue returns first.
      if (is_root()) mark_healthy(list_checkpoints(run_->checkpoints()).back());
    }
  }
  if (is_root()) write_file(run_->config_file(), with_digest_line(schema_.to_toml()));
}

bool TrainingRun::is_stop_requested_anywhere() {
  const std::vector<std::string> answers = world_.gather(is_stop_requested() ? "yes" : "no");
  return std::ranges::find(answers, "yes") != answers.end();
}

int TrainingRun::loop() {
  // A stop requested during start-up takes effect here, on all ranks: the checkpoint holds the
  // state before the first step.
  if (trainer_->steps_done() < steps_ && is_stop_requested_anywhere()) return finish(true);
  open_recorder();
  if (trainer_->steps_done() >= steps_) {
    log::info("nothing to do: the run is at step {} of {}", trainer_->steps_done(), steps_);
    return finish(false);
  }
  if (experiment_.evaluate.every > 0) {
    evaluator_.emplace(world_, experiment_, data_.training);
    if (trainer_->steps_done() == 0) evaluate();
  }
  if (data_.validation) validator_.emplace(world_, experiment_, data_);
  find_loss();  // rescue may be on since this launch
  loop_began_ = std::chrono::steady_clock::now();
  auditor_.emplace(world_, experiment_, data_.training, trainer_->plan(), trainer_->steps_done());
  try {
    for (;;) {
      if (!lost_) run_steps();
      if (!lost_) return finish(trainer_->steps_done() < steps_);
      if (!rescue()) return diverged();
    }
  } catch (const CorruptionFound& found) {
    return corrupted(found);
  }
}

void TrainingRun::open_recorder() {
  if (!is_root()) return;
  recorder_.emplace(*run_, experiment_, trainer_->steps_done(), steps_, world_.device().device());
  recorder_->begin(*trainer_, *data_.training);
  recorder_->record_rescues(*trainer_, rescuer_.rescues());
}

// Returns at the end of the training, after a signal, or when the training is lost.
void TrainingRun::run_steps() {
  RunBatches batches(world_, experiment_, data_.training, trainer_->steps_done(),
                     memory_.per_image * trainer_->plan().size);
  StepTimes times(world_, experiment_, steps_, peak_);
  bool is_first = true;
  while (trainer_->steps_done() < steps_) {
    trace_.before_step(trainer_->steps_done() + 1);
    if (is_root()) saver_.check();
    flight_recorder().set_activity(Activity::kLoader);
    if (!is_first) clock_.enter(TimeKind::kDataWait);
    const Batch& batch = batches.next();
    flight_recorder().set_activity(Activity::kCompute);
    // Waits for ranks that read their data slowly; this barrier has no device timeout.
    if (std::exchange(is_first, false)) world_.host().barrier();
    clock_.enter(TimeKind::kSteps);
    if (is_root() && (saver_.is_time_over() || saver_.is_local_time_over()))
      trainer_->ask_for_checkpoint();
    times.begin_step();
    step(batch);
    // Evaluate, validate and save only after the step is known to be finite.
    StepStatus status = trainer_->status(is_state_used());
    const bool is_asked_to_save = status.save;
    if (is_asked_to_save) status = trainer_->status(true);
    times.end_step(*trainer_);
    if (is_not_finite(status)) return;
    const auto job = times.report(*trainer_, batches.wait_seconds(), status.stop);
    if (is_root()) record_step(batches.wait_seconds(), job);
    if (status.stop) break;
    if (is_evaluation_due()) evaluate();
    if (is_validation_due()) validate();
    if (is_observed()) find_loss();
    if (lost_) return;
    if (is_save_due() || is_asked_to_save) save();
    trace_.after_step(trainer_->steps_done());
  }
  static_cast<void>(is_not_finite(trainer_->status(true)));
}

void TrainingRun::step(const Batch& batch) {
  const AuditRequest* audit = auditor_->request(trainer_->steps_done() + 1);
  const double before = trainer_->audit_seconds();
  trainer_->step(batch.pixels, is_stop_requested(), batch.labels, audit);
  if (audit != nullptr)
    auditor_->confirm(trainer_->audit_seconds() - before, trainer_->has_rounding());
}

void TrainingRun::record_step(double wait_seconds, const std::optional<JobReport>& job) {
  // A report waits for the steps that are still queued on a GPU.
  const bool is_step_time =
      world_.device().device().is_cuda() && trainer_->steps_done() % experiment_.samples.every != 0;
  {
    const TimeScope timed(clock_, is_step_time ? TimeKind::kSteps : TimeKind::kSamples);
    recorder_->after_step(*trainer_, wait_seconds, job);
  }
  clock_.after_step(trainer_->steps_done());
}

bool TrainingRun::is_not_finite(const StepStatus& status) {
  if (status.not_finite)
    lost_ = {status.step, "not-finite",
             fmt::format("{} in step {}", trainer_->objective().divergence(), status.step)};
  return status.not_finite;
}

// Collective.
void TrainingRun::find_loss() {
  if (!rescuer_.is_on()) return;
  lost_ = rescuer_.agree(trainer_->steps_done(), is_root() ? recorder_->lost() : std::nullopt);
}

// Collective. Returns to an earlier state; false if the run ends.
bool TrainingRun::rescue() {
  if (!rescuer_.is_on()) return false;
  clock_.enter(TimeKind::kOther);
  saver_.finish();
  if (!rescuer_.rescue(*lost_, is_root() ? &*run_ : nullptr, trainer_, *data_.training))
    return false;
  copies_.remove_undone(rescuer_.rescues());
  clock_.write(TimeEvent::kRescue, trainer_->steps_done());
  const Rescue& last = rescuer_.rescues().back();
  saver_.set_saved(last.step > 0 ? last.step : -1);  // the initial state has no checkpoint
  log::warn("{}; {}", lost_->reason,
            describe(last, rescuer_.rescues().size(), experiment_.train.max_rescues));
  lost_.reset();
  open_recorder();
  return true;
}

// True after steps whose results rank 0 has looked at.
bool TrainingRun::is_observed() const {
  const std::int64_t step = trainer_->steps_done();
  return step == 1 || step % experiment_.train.report_every == 0 ||
         step % experiment_.samples.every == 0 || step == steps_ || is_evaluation_due();
}

bool TrainingRun::is_evaluation_due() const {
  return evaluator_ && (trainer_->steps_done() % experiment_.evaluate.every == 0 ||
                        trainer_->steps_done() == steps_);
}

bool TrainingRun::is_validation_due() const {
  return validator_ && validator_->is_due(trainer_->steps_done(), steps_);
}

bool TrainingRun::is_save_due() const {
  return trainer_->steps_done() % experiment_.checkpoint.every == 0 &&
         trainer_->steps_done() < steps_;
}

// Collective.
void TrainingRun::evaluate() {
  const ActivityScope busy(Activity::kEvaluate);
  const TimeScope timed(clock_, TimeKind::kEvaluation);
  const auto begin = std::chrono::steady_clock::now();
  const std::optional<RunEvaluation> found = evaluator_->evaluate(*trainer_);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  if (found && is_root()) recorder_->record_evaluation(*trainer_, *found, seconds.count());
}

// Collective.
void TrainingRun::validate() {
  const ActivityScope busy(Activity::kValidate);
  const TimeScope timed(clock_, TimeKind::kEvaluation);
  const auto begin = std::chrono::steady_clock::now();
  const std::optional<RunValidation> found = validator_->validate(*trainer_);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  if (found && is_root()) recorder_->record_validation(*trainer_, *found, seconds.count());
}

// Collective.
void TrainingRun::save() {
  const ActivityScope busy(Activity::kCheckpoint);
  const TimeScope timed(clock_, TimeKind::kCheckpoints);
  const bool is_checkpoint = is_save_due() || saver_.is_checkpoint_asked();
  if (is_checkpoint) mark_healthy_checkpoints();
  saver_.save_between_steps(*trainer_, *data_.training, is_checkpoint);
}

// Rank 0: marks earlier checkpoints after which training continued well.
void TrainingRun::mark_healthy_checkpoints() {
  if (!is_root()) return;
  saver_.finish();
  for (const std::filesystem::path& path : list_checkpoints(run_->checkpoints()))
    if (recorder_->is_healthy(checkpoint_step(path).value_or(0)) && !is_marked_healthy(path))
      mark_healthy(path);
}

// Networks, moments and controller have not changed since the phase that was not finite
// (docs/training.md describes which updates of that step were applied); they are saved as the state
// before that step. All ranks detect it in the same step, so that the job ends in good order with
// one message of rank 0.
int TrainingRun::diverged() {
  static_cast<void>(trainer_->status(true));
  clock_.enter(TimeKind::kOther);
  const bool is_finite = lost_->kind != "not-finite";
  if (!is_finite) trainer_->rewind_to(lost_->step - 1);
  saver_.complete(*trainer_, *data_.training);
  trace_.finish();
  constexpr auto kCode = static_cast<int>(ExitCode::kDiverged);
  if (is_root()) {
    recorder_->end(*trainer_);
    const std::string why = rescuer_.end_reason(*lost_);
    run_->record_end(kCode, why, rescuer_.record());
    clock_.write(TimeEvent::kEnd, trainer_->steps_done());
    log::error(
        "{}; the networks {} are saved in {}, next to the earlier checkpoints. Start a new "
        "run with a lower optimizer.lr, or check the data",
        why, is_finite ? "of this step" : "before it", run_->checkpoints().string());
  }
  world_.host().barrier();
  copies_.remove();
  return kCode;
}

// All ranks have found the same.
int TrainingRun::corrupted(const CorruptionFound& found) {
  constexpr auto kCode = static_cast<int>(ExitCode::kCorrupted);
  clock_.enter(TimeKind::kOther);
  const CorruptionReport report = describe_corruption(found, world_.gather(host_name()));
  saver_.finish();
  copies_.remove_after(auditor_->confirmed_step());
  if (is_root()) {
    const std::string advice = distrust_checkpoints(report, *run_, auditor_->confirmed_step());
    clock_.write(TimeEvent::kEnd, trainer_->steps_done());
    run_->record_end(kCode, report.why, rescuer_.record(), report.suspect_host);
    log::error("{}; {}", report.why, advice);
  }
  world_.host().barrier();
  return kCode;
}

int TrainingRun::finish(bool stopped) {
  flight_recorder().set_activity(Activity::kEnd);
  clock_.enter(TimeKind::kOther);
  saver_.complete(*trainer_, *data_.training);
  trace_.finish();
  saver_.log_stalls();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - loop_began_;
  if (auditor_) auditor_->log_cost(seconds.count());
  log::info_every_rank("forwarded {} real images in this launch", trainer_->forwarded());
  if (is_root()) {
    if (recorder_) recorder_->end(*trainer_);
    const auto code = stopped ? ExitCode::kStoppedEarly : ExitCode::kDone;
    const std::string why = stopped ? "stopped by a signal" : "done";
    run_->record_end(static_cast<int>(code), why, rescuer_.record());
    clock_.write(TimeEvent::kEnd, trainer_->steps_done());
    log::info("{} at step {} of {}: {}", why, trainer_->steps_done(), steps_,
              run_->path().string());
    if (stopped) log::info("to continue: the same command with --resume {}", run_->path().string());
  }
  world_.host().barrier();
  copies_.remove();
  return static_cast<int>(stopped ? ExitCode::kStoppedEarly : ExitCode::kDone);
}

}  // namespace

int run_training(World& world, const TrainRequest& request, Experiment& experiment,
                 Schema& schema) {
  return TrainingRun(world, request, experiment, schema).run();
}

}  // namespace valley
