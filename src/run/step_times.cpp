#include "run/step_times.h"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "comm/gather.h"
#include "flight/flight_recorder.h"
#include "plan/step_cost.h"

namespace valley {

StepTimes::StepTimes(World& world, const Experiment& experiment, std::int64_t last_step,
                     std::optional<JobPeak>& peak)
    : world_(world),
      experiment_(experiment),
      last_step_(last_step),
      peak_(peak),
      hosts_(world.gather(host_name())),
      began_(monotonic_seconds()) {}

void StepTimes::begin_step() {
  step_began_ = monotonic_seconds();
  waited_ = collective_seconds();
}

void StepTimes::end_step(const Trainer& trainer) {
  const double waited = collective_seconds() - waited_;
  wait_ += waited;
  compute_ += std::max(0.0, monotonic_seconds() - step_began_ - waited);
  ++steps_;
  const std::optional<double> flops = flops_of(trainer);
  flops_ = flops_ && flops ? std::optional(*flops_ + *flops) : std::nullopt;
}

std::optional<double> StepTimes::flops_of(const Trainer& trainer) {
  const Stage& stage = trainer.last_stage();
  const auto [entry, is_new] = known_flops_.try_emplace(&stage);
  if (is_new) {
    const auto cost = step_cost(trainer.model(), experiment_, stage, world_.size());
    if (cost) entry->second = cost->flops;
  }
  return entry->second;
}

std::optional<JobReport> StepTimes::report(const Trainer& trainer, double data_seconds,
                                           bool is_last) {
  const std::int64_t step = trainer.steps_done();
  // Step 1 too: the initial values are the reference for later ones.
  const bool is_due =
      step == 1 || step % experiment_.train.report_every == 0 || step == last_step_ || is_last;
  if (!is_due) return std::nullopt;
  const auto n = static_cast<double>(std::max<std::int64_t>(1, steps_));
  const auto all = gather(
      {compute_ / n, wait_ / n, (data_seconds - data_before_) / n, monotonic_seconds() - began_});
  JobReport found;
  found.steps = steps_;
  found.flops = flops_;
  std::vector<double> ages;
  for (std::size_t r = 0; r < all.size(); ++r) {
    found.ranks.push_back({hosts_[r], all[r][0], all[r][1], all[r][2]});
    ages.push_back(all[r][3]);
  }
  // From gathered values, so that all ranks decide alike.
  const bool is_first = !peak_ && flops_ && step > 1 && median(ages) > kPatience;
  if (is_first) find_peak();
  if (peak_ && peak_->flops_per_s > 0) found.peak = peak_;
  found.is_peak_new = is_first && found.peak;
  steps_ = 0;
  compute_ = 0;
  wait_ = 0;
  flops_ = 0;
  data_before_ = data_seconds;
  return found;
}

// After the gather, all ranks measure at the same time.
void StepTimes::find_peak() {
  const double began = monotonic_seconds();
  const auto own = peak_rate(experiment_, world_.device().device(), kMeasurement);
  JobPeak peak{0, own && own->is_published, 0};
  const auto all = gather({own ? own->flops_per_s : 0});
  const bool is_known = std::ranges::all_of(all, [](const auto& rank) { return rank[0] > 0; });
  for (const auto& rank : all) peak.flops_per_s += is_known ? rank[0] : 0;
  peak.seconds = monotonic_seconds() - began;
  peak_ = peak;
}

std::vector<std::vector<double>> StepTimes::gather(const std::vector<double>& own) {
  const auto n = static_cast<std::int64_t>(own.size());
  const at::Tensor in = at::empty({n}, at::kDouble);
  std::ranges::copy(own, in.mutable_data_ptr<double>());
  const at::Tensor rows = gather_from_ranks(world_.host(), in);
  std::vector<std::vector<double>> all;
  for (const double* row = rows.const_data_ptr<double>(); all.size() < hosts_.size(); row += n)
    all.emplace_back(row, row + n);
  return all;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

Slowest slowest(const std::vector<double>& times) {
  const auto at = std::ranges::max_element(times);
  const auto rank = at - times.begin();
  std::vector<double> others = times;
  others.erase(others.begin() + rank);
  const double typical = others.empty() ? 0 : median(others);
  return {static_cast<int>(rank), typical > 0 ? *at / typical - 1 : 0};
}

}  // namespace valley
