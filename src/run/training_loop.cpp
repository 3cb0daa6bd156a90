// The loop of a training: steps and what happens between them, losses and ends.
#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "flight/flight_recorder.h"
#include "run/corruption.h"
#include "run/stop_signal.h"
#include "run/training.h"
#include "storage/checkpoint.h"

namespace valley {

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
    // Report, evaluate, validate and save only after the step is known to be finite.
    StepStatus status = trainer_->status(is_state_used());
    const bool is_asked_to_save = status.save;
    if (is_asked_to_save || status.stop) status = trainer_->status(true);
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

}  // namespace valley
