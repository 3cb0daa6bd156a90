#include "run/training_run.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/log.h"
#include "core/self_digest.h"
#include "kernels/device.h"
#include "plan/memory_check.h"
#include "run/dry_run.h"
#include "run/launch_record.h"
#include "run/preflight.h"
#include "run/training.h"
#include "storage/checkpoint.h"

namespace valley {

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

int run_training(World& world, const TrainRequest& request, Experiment& experiment,
                 Schema& schema) {
  return TrainingRun(world, request, experiment, schema).run();
}

}  // namespace valley
