#include "train/rate_schedule.h"

#include <ATen/ops/full.h>
#include <ATen/ops/nan_to_num.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace valley {

RateSettings rate_settings(const OptimizerOptions& o) {
  RateSettings s;
  s.rate = o.lr;
  s.rule = o.lr_schedule;
  s.window = o.stall_window;
  s.windows = o.stall_windows;
  s.improvement = o.stall_improvement;
  s.floor = o.lr_floor;
  s.every = o.step_every;
  s.factor = o.step_factor;
  s.generator_factor = o.generator_lr_scale;
  return s;
}

RateSchedule::RateSchedule(const RateSettings& settings, at::Device device)
    : settings_(settings),
      rate_(at::full({}, settings.rate, at::TensorOptions(device).dtype(at::kDouble))),
      sum_(at::zeros({}, rate_.options())),
      counts_(at::zeros({2}, at::kLong)),
      best_(at::full({}, std::numeric_limits<double>::infinity(), at::kDouble)) {}

StepRate RateSchedule::in_step(const Stage& stage, std::int64_t step,
                               const std::string& network) const {
  const double of_network = network == "generator" ? settings_.generator_factor : 1;
  return {of_network * stage.lr_scale_at(step), stage.max_momentum};
}

std::optional<std::string> RateSchedule::observe(std::int64_t steps_done,
                                                 const std::optional<at::Tensor>& convergence) {
  if (settings_.rule == LrSchedule::kStep) return step_down(steps_done);
  if (settings_.rule != LrSchedule::kHalveOnStall || !convergence) return std::nullopt;
  sum_.add_(at::nan_to_num(*convergence, 0.0, 0.0, 0.0));  // NaN in skipped steps
  auto* steps = counts_.mutable_data_ptr<std::int64_t>();
  if (++steps[0] < settings_.window) return std::nullopt;
  const double mean = sum_.item<double>() / static_cast<double>(settings_.window);
  sum_.zero_();
  steps[0] = 0;
  return end_window(mean);
}

double RateSchedule::stepped(std::int64_t steps_done) const {
  return settings_.rate *
         std::pow(settings_.factor, static_cast<double>(steps_done / settings_.every));
}

std::optional<std::string> RateSchedule::step_down(std::int64_t steps_done) {
  if (steps_done % settings_.every != 0) return std::nullopt;
  const double after = stepped(steps_done);
  rate_.fill_(after);
  return fmt::format("the learning rate is stepped down to {:.4g}", after);
}

void RateSchedule::rewind_to(std::int64_t steps_done) {
  if (settings_.rule == LrSchedule::kStep) rate_.fill_(stepped(steps_done));
}

std::optional<std::string> RateSchedule::end_window(double mean) {
  auto* stalls = counts_.mutable_data_ptr<std::int64_t>() + 1;
  auto* best = best_.mutable_data_ptr<double>();
  const bool improved = mean < *best * (1.0 - settings_.improvement);
  if (improved) {
    *best = mean;
    *stalls = 0;
    return std::nullopt;
  }
  if (++*stalls < settings_.windows) return std::nullopt;
  *stalls = 0;
  const double before = rate_.item<double>();
  const double after = std::max(before / 2, settings_.rate * settings_.floor);
  rate_.fill_(after);
  if (after >= before) return std::nullopt;
  return fmt::format(
      "the learning rate is lowered from {:.4g} to {:.4g}: in {} windows of {} steps the mean of "
      "the convergence measure did not fall {:.4g} % below its best, {:.4g} (now {:.4g})",
      before, after, settings_.windows, settings_.window, 100 * settings_.improvement, *best, mean);
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
