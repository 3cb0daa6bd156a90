#include "train/rate_schedule.h"

#include <ATen/ops/full.h>
#include <ATen/ops/nan_to_num.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <limits>

namespace valley {

RateSchedule::RateSchedule(const RateSettings& settings, at::Device device)
    : settings_(settings),
      rate_(at::full({}, settings.rate, at::TensorOptions(device).dtype(at::kDouble))),
      sum_(at::zeros({}, rate_.options())),
      counts_(at::zeros({2}, at::kLong)),
      best_(at::full({}, std::numeric_limits<double>::infinity(), at::kDouble)) {}

bool RateSchedule::observe(const at::Tensor& convergence) {
  if (!settings_.halve_on_stall) return false;
  sum_.add_(at::nan_to_num(convergence, 0.0, 0.0, 0.0));  // a skipped step has none
  auto* steps = counts_.mutable_data_ptr<std::int64_t>();
  if (++steps[0] < settings_.window) return false;
  const double mean = sum_.item<double>() / static_cast<double>(settings_.window);
  sum_.zero_();
  steps[0] = 0;
  return end_window(mean);
}

bool RateSchedule::end_window(double mean) {
  auto* stalls = counts_.mutable_data_ptr<std::int64_t>() + 1;
  auto* best = best_.mutable_data_ptr<double>();
  const bool improved = mean < *best * (1.0 - settings_.improvement);
  if (improved) {
    *best = mean;
    *stalls = 0;
    return false;
  }
  if (++*stalls < settings_.windows) return false;
  *stalls = 0;
  const double before = rate_.item<double>();
  const double after = std::max(before / 2, settings_.rate * settings_.floor);
  rate_.fill_(after);
  return after < before;
}

void RateSchedule::save(TensorMap& state) const {
  state["schedule.rate"] = rate_;
  state["schedule.window_sum"] = sum_;
  state["schedule.counts"] = counts_;
  state["schedule.best"] = best_;
}

void RateSchedule::load(const TensorMap& state, const std::string& where) {
  rate_.copy_(require_tensor(state, "schedule.rate", {}, where));
  sum_.copy_(require_tensor(state, "schedule.window_sum", {}, where));
  counts_.copy_(require_tensor(state, "schedule.counts", {2}, where));
  best_.copy_(require_tensor(state, "schedule.best", {}, where));
}

}  // namespace valley
