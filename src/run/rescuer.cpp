#include "run/rescuer.h"

#include <fmt/format.h>

#include <utility>

#include "core/text.h"
#include "storage/checkpoint.h"

namespace valley {

void RunRescuer::open(const RunDirectory* run) {
  std::string text = "[]";
  if (run != nullptr) text = to_json(read_rescues(run->path()));
  rescues_ = parse_rescues(world_.broadcast(text), "the rescues of rank 0");
}

std::string RunRescuer::end_reason(const TrainingLoss& loss) const {
  if (rescues_.empty()) return loss.reason;
  return fmt::format("{}; {} ({}) did not help", loss.reason,
                     plural(static_cast<std::int64_t>(rescues_.size()), "rescue"),
                     list_rescues(rescues_));
}

std::optional<TrainingLoss> RunRescuer::agree(std::int64_t step,
                                              const std::optional<RunWarning>& found) {
  if (!is_on()) return std::nullopt;
  const std::string text = world_.broadcast(found ? found->kind + "\n" + found->text : "");
  if (text.empty()) return std::nullopt;
  const std::size_t end = text.find('\n');
  return TrainingLoss{step, text.substr(0, end), text.substr(end + 1)};
}

void RunRescuer::apply(Trainer& trainer, std::size_t counted) const {
  if (rescues_.empty() || counted >= rescues_.back().number) return;
  trainer.set_rescues(rescues_.back().number);
  trainer.lower_learning_rate(rescues_.back().lr_scale);
}

bool RunRescuer::rescue(const TrainingLoss& loss, const RunDirectory* run,
                        std::unique_ptr<Trainer>& trainer, const Dataset& data) {
  std::vector<Rescue> all = rescues_;
  std::string path;
  if (run != nullptr) {
    const auto plan =
        plan_rescue(experiment_.train, run->checkpoints(), loss, rescues_, trainer->rescues());
    if (plan) all.push_back(plan->rescue);
    if (plan && plan->checkpoint) path = plan->checkpoint->string();
  }
  all = parse_rescues(world_.broadcast(to_json(all)), "the rescues of rank 0");
  path = world_.broadcast(path);
  if (all.size() == rescues_.size()) return false;
  rescues_ = std::move(all);
  if (run != nullptr) {
    // From here on a new launch continues the rescue.
    write_rescues(run->path(), rescues_);
    remove_checkpoints(run->checkpoints(),
                       [this](const auto& checkpoint) { return is_undone(checkpoint, rescues_); });
  }
  if (path.empty()) {
    const MicrobatchPlan shares = trainer->plan();
    trainer.reset();  // first, so that there is memory for one only
    trainer = std::make_unique<Trainer>(experiment_, shares, world_.device(), data.size());
  } else {
    const Checkpoint checkpoint = rank_zero_first(world_, [&] { return read_checkpoint(path); });
    trainer->restore(checkpoint, schema_, data.fingerprint(), path);
  }
  apply(*trainer, 0);
  world_.require_equal("the state of the networks", trainer->digest());
  return true;
}

}  // namespace valley
