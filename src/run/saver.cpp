#include "run/saver.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/json_text.h"
#include "core/log.h"
#include "core/stopwatch.h"
#include "core/text.h"
#include "run/data.h"

namespace valley {

namespace {

void log_stall(const std::string& what, std::int64_t saves, double seconds) {
  if (saves > 0)
    log::info("{} between steps, for which training paused {:.1f} ms each", what,
              1000 * seconds / static_cast<double>(saves));
}

}  // namespace

void RunSaver::open(const std::filesystem::path& folder, std::int64_t keep_healthy) {
  writer_.emplace(folder, experiment_.checkpoint.keep, keep_healthy);
}

void RunSaver::open_local(const std::filesystem::path& folder) {
  constexpr std::int64_t kKept = 2;  // one is complete while the other is replaced or damaged
  if (!writer_) writer_.emplace("", 0);
  writer_->set_local(folder, kKept);
  writes_local_ = true;
}

void RunSaver::save(Trainer& trainer, const Dataset& data) {
  write(trainer, data, false, Targets::kFolder);
}

void RunSaver::save_between_steps(Trainer& trainer, const Dataset& data, bool is_checkpoint) {
  const Stopwatch stall(is_checkpoint ? stalled_seconds_ : local_stalled_seconds_);
  write(trainer, data, experiment_.checkpoint.background,
        is_checkpoint ? Targets::kBoth : Targets::kLocal);
  ++(is_checkpoint ? saves_ : local_saves_);
}

void RunSaver::write(Trainer& trainer, const Dataset& data, bool in_background, Targets targets) {
  const TimeScope timed(clock_, TimeKind::kCheckpoints);
  trainer.compare_replicas(fmt::format("after step {}", trainer.steps_done()));
  const bool is_checkpoint = targets != Targets::kLocal;  // equal on all ranks
  if (!writes_local_ && targets == Targets::kBoth) targets = Targets::kFolder;
  if (world_.rank() != 0 && targets == Targets::kBoth) targets = Targets::kLocal;
  const bool writes = targets == Targets::kFolder ? world_.rank() == 0 : writes_local_;
  const TensorMap owned = trainer.gather_owned(writes);
  if (writes) write_here(trainer, data, owned, in_background, targets);
  clock_.write(TimeEvent::kSave, trainer.steps_done());
  local_saved_at_ = std::chrono::steady_clock::now();
  if (is_checkpoint) {
    last_saved_ = trainer.steps_done();
    saved_at_ = local_saved_at_;
  }
  if (!in_background) world_.host().barrier();
}

void RunSaver::write_here(Trainer& trainer, const Dataset& data, const TensorMap& owned,
                          bool in_background, Targets targets) {
  const auto copies = in_background ? std::make_shared<DeferredCopies>() : nullptr;
  Checkpoint checkpoint = trainer.snapshot(schema_, data.fingerprint(), owned, copies.get());
  checkpoint.state_json = write_json(nlohmann::json({{"step", trainer.steps_done()},
                                                     {"images", trainer.images_seen()},
                                                     {"saved", utc_now()},
                                                     {"version", version_},
                                                     {"ranks", world_.size()}}),
                                     2);
  if (copies) copies->begin();
  add_class_names(experiment_, data, checkpoint.model);
  writer_->write(std::move(checkpoint), copies, targets);
  if (copies) {
    double& stalled = targets == Targets::kLocal ? local_stalled_seconds_ : stalled_seconds_;
    trainer.hold_changes([this, copies, &stalled] {
      const Stopwatch stall(stalled);
      const TimeScope waiting(clock_, TimeKind::kCheckpoints);
      copies->wait();
    });
  }
  if (!in_background) writer_->finish();
}

bool RunSaver::is_time_over() const {
  const std::chrono::seconds limit{experiment_.checkpoint.every_seconds};
  return limit.count() > 0 && std::chrono::steady_clock::now() - saved_at_ >= limit;
}

// A copy that waits for a slow checkpoint would hold up training.
bool RunSaver::is_local_time_over() const {
  const std::chrono::seconds limit{experiment_.checkpoint.local_every_seconds};
  return has_local() && std::chrono::steady_clock::now() - local_saved_at_ >= limit &&
         !writer_->is_busy();
}

bool RunSaver::is_checkpoint_asked() {
  return !has_local() || world_.broadcast(is_time_over() ? "checkpoint" : "copy") == "checkpoint";
}

void RunSaver::finish() {
  if (writer_) writer_->finish();
}

void RunSaver::complete(Trainer& trainer, const Dataset& data) {
  if (last_saved_ != trainer.steps_done()) save(trainer, data);
  const TimeScope timed(clock_, TimeKind::kCheckpoints);
  finish();
}

void RunSaver::log_stalls() const {
  log_stall(plural(saves_, "checkpoint"), saves_, stalled_seconds_);
  log_stall(local_saves_ == 1 ? "1 local copy" : fmt::format("{} local copies", local_saves_),
            local_saves_, local_stalled_seconds_);
}

}  // namespace valley
