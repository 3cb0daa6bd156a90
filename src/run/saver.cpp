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

void RunSaver::open(const std::filesystem::path& folder, std::int64_t keep_healthy) {
  writer_.emplace(folder, experiment_.checkpoint.keep, keep_healthy);
}

void RunSaver::save(Trainer& trainer, const Dataset& data) { write(trainer, data, false); }

void RunSaver::save_between_steps(Trainer& trainer, const Dataset& data) {
  const Stopwatch stall(stalled_seconds_);
  write(trainer, data, experiment_.checkpoint.background);
  ++saves_;
}

void RunSaver::write(Trainer& trainer, const Dataset& data, bool in_background) {
  const TimeScope timed(clock_, TimeKind::kCheckpoints);
  trainer.compare_replicas(fmt::format("after step {}", trainer.steps_done()));
  const TensorMap owned = trainer.gather_owned();
  if (world_.rank() == 0) {
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
    writer_->write(std::move(checkpoint), copies);
    if (copies) {
      trainer.hold_changes([this, copies] {
        const Stopwatch stall(stalled_seconds_);
        const TimeScope waiting(clock_, TimeKind::kCheckpoints);
        copies->wait();
      });
    }
    if (!in_background) writer_->finish();
  }
  clock_.write(TimeEvent::kSave, trainer.steps_done());
  last_saved_ = trainer.steps_done();
  saved_at_ = std::chrono::steady_clock::now();
  if (!in_background) world_.host().barrier();
}

bool RunSaver::is_time_over() const {
  const std::chrono::seconds limit{experiment_.checkpoint.every_seconds};
  return limit.count() > 0 && std::chrono::steady_clock::now() - saved_at_ >= limit;
}

void RunSaver::complete(Trainer& trainer, const Dataset& data) {
  if (last_saved_ != trainer.steps_done()) save(trainer, data);
  const TimeScope timed(clock_, TimeKind::kCheckpoints);
  if (world_.rank() == 0) finish();
}

void RunSaver::log_stalls() const {
  if (saves_ > 0)
    log::info("{} between steps, for which training paused {:.1f} ms each",
              plural(saves_, "checkpoint"), 1000 * stalled_seconds_ / static_cast<double>(saves_));
}

}  // namespace valley
