#include "report/goodput.h"

#include <algorithm>
#include <optional>

namespace valley::report {
namespace {

// Steps (first, last] of a launch, which were not undone so far.
struct Stretch {
  std::int64_t first = 0;
  std::int64_t last = 0;
  double steps_s = 0;
  double data_wait_s = 0;
};

class Accountant {
 public:
  void add(const TimeLine& line) {
    if (!last_ || line.began != last_->began) {
      begin_launch(line);
    } else {
      continue_launch(line);
    }
    last_ = line;
  }

  [[nodiscard]] Goodput result() const {
    Goodput total = total_;
    for (const Stretch& stretch : kept_) {
      total.useful += stretch.steps_s;
      total.data_wait += stretch.data_wait_s;
    }
    return total;
  }

 private:
  void begin_launch(const TimeLine& line) {
    ++total_.launches;
    follows_failure_ = false;
    if (last_) {
      follows_failure_ = last_->event != TimeEvent::kEnd || line.is_restart;
      // Clocks of two hosts may differ by more than a short gap.
      const double gap = std::max(0.0, line.began - last_->time);
      (follows_failure_ ? total_.down : total_.paused) += gap;
      total_.restarts += follows_failure_ ? 1 : 0;
    }
    undo_after(line.step);
    // The start line of a launch was cut if its first one is another: its steps are not known, but
    // their time is.
    book(line, TimeLine{.step = line.step});
  }

  void continue_launch(const TimeLine& line) {
    if (line.step < last_->step) undo_after(line.step);
    book(line, *last_);
  }

  // Adds the time between two lines of a launch.
  void book(const TimeLine& line, const TimeLine& before) {
    const auto passed = [&](TimeKind kind) {
      return std::max(0.0, line.at(kind) - before.at(kind));
    };
    (follows_failure_ ? total_.restart_startup : total_.startup) += passed(TimeKind::kStartup);
    total_.checkpoints += passed(TimeKind::kCheckpoints);
    total_.evaluation += passed(TimeKind::kEvaluation);
    total_.samples += passed(TimeKind::kSamples);
    total_.other += passed(TimeKind::kOther);
    const double steps_s = passed(TimeKind::kSteps);
    const double data_wait_s = passed(TimeKind::kDataWait);
    if (line.step < before.step) {  // a rescue: steps after the line before it were undone, too
      total_.lost += steps_s + data_wait_s;
      return;
    }
    kept_.push_back({before.step, line.step, steps_s, data_wait_s});
  }

  // Only the last stretches can reach beyond `step`: each begins where an earlier one ends.
  void undo_after(std::int64_t step) {
    while (!kept_.empty() && kept_.back().last > step) {
      Stretch& stretch = kept_.back();
      const bool is_undone = stretch.first >= step;
      const std::int64_t undone = stretch.last - std::max(step, stretch.first);
      const double share = is_undone ? 1
                                     : static_cast<double>(undone) /
                                           static_cast<double>(stretch.last - stretch.first);
      total_.lost += share * (stretch.steps_s + stretch.data_wait_s);
      total_.lost_steps += undone;
      if (is_undone) {
        kept_.pop_back();
        continue;
      }
      stretch.steps_s *= 1 - share;
      stretch.data_wait_s *= 1 - share;
      stretch.last = step;
    }
  }

  Goodput total_;
  std::vector<Stretch> kept_;  // in the order of their steps
  std::optional<TimeLine> last_;
  bool follows_failure_ = false;
};

}  // namespace

double Goodput::wall() const {
  return useful + data_wait + checkpoints + evaluation + samples + startup + other + lost + down +
         restart_startup;
}

double Goodput::share() const { return wall() > 0 ? useful / wall() : 0; }

Goodput compute_goodput(const std::vector<TimeLine>& lines) {
  Accountant accountant;
  for (const TimeLine& line : lines) accountant.add(line);
  return accountant.result();
}

std::vector<TimePart> parts_of(const Goodput& g) {
  return {{"useful", "Steps kept", g.useful},
          {"data_wait", "Waiting for data", g.data_wait},
          {"checkpoints", "Checkpoints", g.checkpoints},
          {"evaluation", "Evaluation", g.evaluation},
          {"samples", "Samples and reports", g.samples},
          {"startup", "Start-up", g.startup},
          {"other", "Other", g.other},
          {"lost", "Lost work", g.lost},
          {"down", "Restarts: down", g.down},
          {"restart_startup", "Restarts: start-up", g.restart_startup},
          {"paused", "Paused", g.paused}};
}

}  // namespace valley::report
