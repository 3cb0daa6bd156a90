#include "train/rate_schedule.h"

#include <ATen/ops/full.h>
#include <ATen/ops/nan_to_num.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "core/log.h"

namespace valley {

RateSettings rate_settings(const OptimizerOptions& o, std::int64_t total_steps) {
  RateSettings s;
  s.rate = o.lr;
  s.rule = o.lr_schedule;
  s.window = o.stall_window;
  s.windows = o.stall_windows;
  s.improvement = o.stall_improvement;
  s.floor = o.lr_floor;
  s.every = o.step_every;
  s.factor = o.step_factor;
  s.warmup = o.warmup_steps;
  s.decay_steps = o.decay_steps.value_or(total_steps);
  s.keeps_decay_steps = !o.decay_steps;
  s.final = o.final_lr;
  s.generator_factor = o.generator_lr_scale;
  return s;
}

RateSchedule::RateSchedule(const RateSettings& settings, at::Device device)
    : settings_(settings),
      halved_(settings.rate),
      rate_(at::full({}, rate_of(0), at::TensorOptions(device).dtype(at::kDouble))),
      sum_(at::zeros({}, rate_.options())),
      counts_(at::zeros({2}, at::kLong)),
      best_(at::full({}, std::numeric_limits<double>::infinity(), at::kDouble)) {}

StepRate RateSchedule::in_step(const Stage& stage, std::int64_t step,
                               const std::string& network) const {
  const double of_network = network == "generator" ? settings_.generator_factor : 1;
  return {of_network * stage.lr_scale_at(step), stage.max_momentum};
}

double RateSchedule::decayed(std::int64_t step) const {
  const auto length = static_cast<double>(settings_.decay_steps - settings_.warmup);
  const double t =
      length > 0 ? std::clamp(static_cast<double>(step - settings_.warmup) / length, 0.0, 1.0) : 1;
  const double left =
      settings_.rule == LrSchedule::kLinear ? 1 - t : (1 + std::cos(std::numbers::pi * t)) / 2;
  return settings_.rate * (settings_.final + (1 - settings_.final) * left);
}

double RateSchedule::rate_of(std::int64_t step) const {
  double rate = halved_;
  if (settings_.rule == LrSchedule::kStep) {
    rate = settings_.rate * std::pow(settings_.factor, static_cast<double>(step / settings_.every));
  } else if (decays_each_step()) {
    rate = decayed(step);
  }
  rate *= scale_;
  if (step >= settings_.warmup) return rate;
  return rate * static_cast<double>(step + 1) / static_cast<double>(settings_.warmup);
}

std::optional<std::string> RateSchedule::observe(std::int64_t steps_done,
                                                 const std::optional<at::Tensor>& convergence) {
  std::optional<std::string> change;
  bool changes = decays_each_step() || steps_done <= settings_.warmup;
  if (settings_.rule == LrSchedule::kStep && steps_done % settings_.every == 0) {
    changes = true;
    change = fmt::format("the learning rate is stepped down to {:.4g}", rate_of(steps_done));
  } else if (settings_.rule == LrSchedule::kHalveOnStall && convergence) {
    const double before = halved_;
    change = add_measure(*convergence);
    changes = changes || halved_ != before;
  }
  if (changes) rate_.fill_(rate_of(steps_done));
  return change;
}

std::optional<std::string> RateSchedule::add_measure(const at::Tensor& convergence) {
  sum_.add_(at::nan_to_num(convergence, 0.0, 0.0, 0.0));  // NaN in skipped steps
  auto* steps = counts_.mutable_data_ptr<std::int64_t>();
  if (++steps[0] < settings_.window) return std::nullopt;
  const double mean = sum_.item<double>() / static_cast<double>(settings_.window);
  sum_.zero_();
  steps[0] = 0;
  return end_window(mean);
}

void RateSchedule::rewind_to(std::int64_t steps_done) { rate_.fill_(rate_of(steps_done)); }

void RateSchedule::set_scale(double scale, std::int64_t steps_done) {
  scale_ = scale;
  rate_.fill_(rate_of(steps_done));
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
  const double before = halved_;
  const double after = std::max(before / 2, settings_.rate * settings_.floor);
  halved_ = after;
  if (after >= before) return std::nullopt;
  return fmt::format(
      "the learning rate is lowered from {:.4g} to {:.4g}: in {} windows of {} steps the mean of "
      "the convergence measure did not fall {:.4g} % below its best, {:.4g} (now {:.4g})",
      scale_ * before, scale_ * after, settings_.windows, settings_.window,
      100 * settings_.improvement, *best, mean);
}

void RateSchedule::save(TensorMap& state) const {
  state["schedule.rate"] = rate_;
  state["schedule.window_sum"] = sum_;
  state["schedule.counts"] = counts_;
  state["schedule.best"] = best_;
  if (settings_.warmup > 0 || scale_ != 1)
    state["schedule.halved_rate"] = at::full({}, halved_, at::kDouble);
  if (scale_ != 1) state["schedule.scale"] = at::full({}, scale_, at::kDouble);
  if (decays_each_step())
    state["schedule.decay_steps"] = at::full({}, settings_.decay_steps, at::kLong);
}

void RateSchedule::load(const TensorMap& state, const std::string& where) {
  rate_.copy_(require_tensor(state, "schedule.rate", {}, where));
  sum_.copy_(require_tensor(state, "schedule.window_sum", {}, where));
  counts_.copy_(require_tensor(state, "schedule.counts", {2}, where));
  best_.copy_(require_tensor(state, "schedule.best", {}, where));
  scale_ = state.contains("schedule.scale")
               ? require_tensor(state, "schedule.scale", {}, where).item<double>()
               : 1;
  halved_ = settings_.warmup > 0 || scale_ != 1
                ? require_tensor(state, "schedule.halved_rate", {}, where).item<double>()
                : rate_.item<double>();
  if (!decays_each_step() || !settings_.keeps_decay_steps) return;
  const auto at_start =
      require_tensor(state, "schedule.decay_steps", {}, where).item<std::int64_t>();
  if (at_start != settings_.decay_steps)
    log::info(
        "the learning rate decays until step {}, the length of the run when it started; "
        "optimizer.decay_steps cannot change in this run",
        at_start);
  settings_.decay_steps = at_start;
}

}  // namespace valley
