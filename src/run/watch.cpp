#include "run/watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/json_text.h"
#include "methods/metric_names.h"

namespace valley {
namespace {

constexpr const char* kCollapse = "collapse";
// Limits for the mean distance of generated samples divided by that of the data.
constexpr double kCollapsed = 0.25;
constexpr double kVaried = 0.35;
// Reports or grids in a row that must agree, as one step can be an outlier.
constexpr int kAgreeing = 2;
constexpr std::int64_t kLongReports = 20;
constexpr std::int64_t kLongSteps = 1000;
// Limits for an energy divided by its minimum so far.
constexpr double kRisen = 10;
constexpr double kFallenAgain = 5;
// Limits for a gradient norm divided by the geometric mean of earlier ones, at least kNormReports.
constexpr double kExploded = 100;
constexpr double kCalm = 10;
constexpr int kNormReports = 10;
constexpr double kNormWeight = 0.05;  // weight of the newest norm in the mean
// Limits for the loss of an energy-based model; training stops at 1e8.
constexpr double kLargeLoss = 1e4;
constexpr double kSmallLoss = 1e3;
// Limits for the gap of an energy-based model's energies divided by that at the minimum of its
// loss. Trainings with good chains also reach it while the energy is steep along the chains; those
// that fail become flat there, so that more and more chains do not leave the noise.
constexpr double kSeparated = 0.9;
constexpr double kMixed = 0.6;
constexpr double kFlat = 0.5;  // gradient along chains, divided by its largest
constexpr int kSeparatedReports = 3;
// Limits for the coverage of an evaluation divided by the best one so far, which is at least
// kSomeCoverage.
constexpr double kCoverageLost = 0.25;
constexpr double kCoverageBack = 0.35;
constexpr double kSomeCoverage = 0.1;

// Limits for the growth of the gap between the energies of validation and training images, in
// standard errors of the gap.
constexpr double kOverfit = 8;
constexpr double kNoLongerOverfit = 4;

std::optional<double> finite(const RunWatch::Values& values, const std::string& name) {
  const auto found = values.find(name);
  if (found == values.end() || !std::isfinite(found->second)) return std::nullopt;
  return found->second;
}

// " (margin 10, mean energy of generated samples 3.2)", without unknown values.
std::string margin_text(const RunWatch::Values& values) {
  const auto margin = finite(values, metric::kMargin);
  const auto fake = finite(values, metric::kFakeEnergy);
  if (margin && fake)
    return fmt::format(" (margin {:.4g}, mean energy of generated samples {:.4g})", *margin, *fake);
  if (margin) return fmt::format(" (margin {:.4g})", *margin);
  if (fake) return fmt::format(" (mean energy of generated samples {:.4g})", *fake);
  return "";
}

// Nothing for a file that is missing.
void for_each_line(const std::filesystem::path& file,
                   const std::function<void(const std::string&)>& take) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(file, ignored)) return;
  std::ifstream lines(file);
  for (std::string text; std::getline(lines, text);) take(text);
}

}  // namespace

bool RunWatch::Alarm::observe(bool begins, bool ends, int needed) {
  in_a_row = begins ? in_a_row + 1 : 0;
  if (on) {
    on = !ends;
    return false;
  }
  on = in_a_row >= needed;
  return on;
}

bool RunWatch::Persistence::observe(std::int64_t step, bool holds) {
  if (!holds) {
    *this = {};
    return false;
  }
  if (reports++ == 0) since = step;
  if (reported || reports < kLongReports || step - since < kLongSteps) return false;
  reported = true;
  return true;
}

std::vector<RunWarning> RunWatch::report(std::int64_t step, const Values& values) {
  std::vector<RunWarning> out;
  watch_k(step, values, out);
  watch_hinge(step, values, out);
  if (energies_are_errors_) {
    watch_rise(values, out);
  } else {
    watch_loss(values, out);
    watch_gap(values, out);
  }
  watch_gradients(values, out);
  last_report_ = step;
  return out;
}

void RunWatch::note(const std::string& condition, const Alarm& alarm, bool begins,
                    RunWarning warning, std::vector<RunWarning>& out) {
  if (!alarm.on) lost_.erase(condition);
  if (!begins) return;
  lost_[condition] = warning;
  out.push_back(std::move(warning));
}

std::optional<RunWarning> RunWatch::lost() const {
  for (const auto& [condition, warning] : lost_)
    if (condition != kCollapse || has_varied_) return warning;
  return std::nullopt;
}

bool RunWatch::shows_divergence() const {
  const auto shows = [](const Alarm& alarm) { return alarm.on || alarm.in_a_row > 0; };
  return shows(collapse_) || shows(uncovered_) || shows(separation_) || is_separating_ ||
         std::ranges::any_of(rises_, [&](const auto& rise) { return shows(rise.second.alarm); }) ||
         std::ranges::any_of(losses_, [&](const auto& loss) { return shows(loss.second); });
}

bool RunWatch::is_healthy(std::int64_t saved) const {
  return !shows_divergence() && last_report_ > saved && last_grid_ >= saved;
}

// Collapse: samples of the trained weights are alike. If only those of the averaged weights are,
// the average lags behind.
std::vector<RunWarning> RunWatch::samples(std::int64_t step, const SampleDistances& found) {
  const double real = found.real;
  const double fake = found.raw.value_or(found.fake);
  last_grid_ = step;
  if (step == 0 || !std::isfinite(fake) || !(real > 0)) return {};
  const double share = fake / real;
  const bool before = collapse_.on;
  has_varied_ = has_varied_ || share >= kVaried;
  const bool begins = collapse_.observe(share < kCollapsed, share >= kVaried, kAgreeing);
  std::vector<RunWarning> out;
  note(kCollapse, collapse_, begins,
       {"collapse",
        fmt::format("generated samples are alike: their mean distance is {:.4g}, {:.2f} times "
                    "the {:.4g} of the data (below {} in {} grids in a row)",
                    fake, share, real, kCollapsed, kAgreeing)},
       out);
  if (begins) return out;
  if (before && !collapse_.on) {
    return {{"recovery", fmt::format("generated samples vary again: their mean distance is {:.4g}, "
                                     "{:.2f} times the {:.4g} of the data",
                                     fake, share, real)}};
  }
  const double averaged = found.fake / real;
  if (!std::isfinite(averaged) ||
      !lag_.observe(averaged < kCollapsed && share >= kVaried,
                    averaged >= kVaried || share < kCollapsed, kAgreeing))
    return {};
  return {{"average",
           fmt::format("samples of the averaged generator are alike (mean distance {:.4g}, {:.2f} "
                       "times the {:.4g} of the data), but those of the trained weights are not "
                       "({:.4g}): the average lags behind. Lower train.ema_half_life, or draw with "
                       "`valley sample --raw`",
                       found.fake, averaged, real, fake)}};
}

std::vector<RunWarning> RunWatch::evaluation(const Values& values) {
  const auto coverage = finite(values, "coverage");
  if (!coverage) return {};
  best_coverage_ = std::max(best_coverage_, *coverage);
  const double share = *coverage / std::max(best_coverage_, 1e-30);
  const bool before = uncovered_.on;
  const bool begins = uncovered_.observe(best_coverage_ >= kSomeCoverage && share < kCoverageLost,
                                         share >= kCoverageBack, kAgreeing);
  std::vector<RunWarning> out;
  note("coverage", uncovered_, begins,
       {"collapse", fmt::format("samples cover {:.3g} of the data, {:.2f} times the best coverage "
                                "so far, {:.3g} (below {} in {} evaluations in a row)",
                                *coverage, share, best_coverage_, kCoverageLost, kAgreeing)},
       out);
  if (before && !uncovered_.on)
    out.push_back({"recovery", fmt::format("samples cover {:.3g} of the data again, {:.2f} times "
                                           "the best coverage, {:.3g}",
                                           *coverage, share, best_coverage_)});
  return out;
}

std::vector<RunWarning> RunWatch::validation(const std::string& stage, const Values& values) {
  std::vector<RunWarning> out;
  for (const std::string name : {metric::kFreeEnergy, metric::kImageEnergy}) {
    const auto now = finite(values, name + "/gap");
    const auto error = finite(values, name + "/gap_error");
    if (!now || !error) continue;
    const auto [place, is_new] = gaps_.try_emplace(name);
    Gap& gap = place->second;
    if (is_new || gap.stage != stage) gap = {stage, *now, {}};
    gap.min_gap = std::min(gap.min_gap, *now);
    const double grown = *now - std::max(gap.min_gap, 0.0);
    if (!gap.alarm.observe(grown > kOverfit * *error, grown < kNoLongerOverfit * *error, kAgreeing))
      continue;
    out.push_back(
        {"overfitting",
         fmt::format("{} of validation images lies {:.4g} above that of training images, {:.4g} "
                     "more than at its minimum: {} is overfitting; use fewer epochs or hidden "
                     "units, a larger weight cost or more data",
                     name, *now, grown, stage)});
  }
  return out;
}

void RunWatch::watch_k(std::int64_t step, const Values& values, std::vector<RunWarning>& out) {
  const auto k = finite(values, metric::kControl);
  if (!k) return;
  if (k_at_zero_.observe(step, *k <= 0)) {
    out.push_back({"saturation", fmt::format("k has stayed at 0 since step {}: the energy of "
                                             "generated samples stays above gamma times that of "
                                             "real ones, and D learns from real images only; a "
                                             "higher objective.gamma lets k rise",
                                             k_at_zero_.since)});
  }
  if (k_at_one_.observe(step, *k >= 1)) {
    out.push_back({"saturation", fmt::format("k has stayed at 1 since step {}: the energy of "
                                             "generated samples stays below gamma times that of "
                                             "real ones, and k is at its maximum; a lower "
                                             "objective.gamma demands less variety",
                                             k_at_one_.since)});
  }
}

void RunWatch::watch_hinge(std::int64_t step, const Values& values, std::vector<RunWarning>& out) {
  const auto active = finite(values, metric::kActiveHinge);
  if (!active) return;
  const bool is_first = !hinge_seen_;
  hinge_seen_ = true;
  const bool lasts = hinge_off_.observe(step, *active <= 0);
  if (is_first && *active <= 0) {
    hinge_off_.reported = true;
    out.push_back({"margin", fmt::format("the hinge is off from the start: the margin lies below "
                                         "the energies of all generated samples{}, and D learns "
                                         "from real images only until they fall below it",
                                         margin_text(values))});
  } else if (lasts) {
    out.push_back({"margin", fmt::format("the hinge has been off since step {}: the margin lies "
                                         "below the energies of all generated samples{}, and D "
                                         "learns from real images only",
                                         hinge_off_.since, margin_text(values))});
  }
  if (hinge_full_.observe(step, *active >= 1)) {
    out.push_back({"margin", fmt::format("the hinge has been on for every generated sample since "
                                         "step {}: no energy reaches the margin{}; with a lower "
                                         "margin D ignores samples that it already separates",
                                         hinge_full_.since, margin_text(values))});
  }
}

void RunWatch::watch_rise(const Values& values, std::vector<RunWarning>& out) {
  // Values of stages with and without generated samples are not comparable.
  const bool has_fakes = finite(values, metric::kFakeEnergy).has_value();
  if (has_fakes != had_fakes_) rises_.clear();
  had_fakes_ = has_fakes;
  for (const std::string name : {metric::kConvergence, metric::kRealEnergy}) {
    const auto value = finite(values, name);
    if (!value) continue;
    Rise& rise = rises_[name];
    if (!rise.known || *value < rise.best) rise.best = *value;
    rise.known = true;
    const double times = *value / std::max(rise.best, 1e-30);
    const bool risen = rise.alarm.observe(times > kRisen, times < kFallenAgain, kAgreeing);
    // M includes the real energy; if it is reported, that is not.
    const bool begins =
        risen && (name != metric::kRealEnergy || !rises_[metric::kConvergence].alarm.on);
    note(name, rise.alarm, begins,
         {"divergence", fmt::format("{} has risen to {:.4g}, {:.3g} times its minimum, {:.4g}: "
                                    "training diverges; an earlier checkpoint may be better, and a "
                                    "lower optimizer.lr needs a new run",
                                    name == metric::kConvergence ? "the convergence measure M"
                                                                 : "the energy of real images",
                                    *value, times, rise.best)},
         out);
  }
}

void RunWatch::watch_loss(const Values& values, std::vector<RunWarning>& out) {
  for (const auto& [name, value] : values) {
    if ((name != "loss" && !name.starts_with("loss/")) || !std::isfinite(value)) continue;
    const double size = std::abs(value);
    Alarm& alarm = losses_[name];
    const bool begins = alarm.observe(size > kLargeLoss, size < kSmallLoss, kAgreeing);
    note(name, alarm, begins,
         {"divergence", fmt::format("{} is {:.4g}: the energies grow without bound; use a lower "
                                    "optimizer.lr or stronger regularization",
                                    name, value)},
         out);
  }
}

void RunWatch::watch_gap(const Values& values, std::vector<RunWarning>& out) {
  const auto gap = finite(values, metric::kEnergyGap);
  const auto slope = finite(values, metric::kChainSlope);
  if (!separating_gap_ || !gap || !slope) return;
  const double share = *gap / *separating_gap_;
  max_slope_ = std::max(max_slope_, *slope);
  is_separating_ = share > kMixed;
  const bool begins = separation_.observe(share > kSeparated && *slope < kFlat * max_slope_,
                                          share < kMixed, kSeparatedReports);
  note(metric::kEnergyGap, separation_, begins,
       {"divergence",
        fmt::format("the gap of the energies is {:.4g}, close to {:.4g}, where the loss has its "
                    "minimum, and the gradient along chains has fallen to {:.2f} of its largest: "
                    "chains no longer leave the noise; use a lower optimizer.lr, or more or larger "
                    "Langevin steps",
                    *gap, *separating_gap_, *slope / max_slope_)},
       out);
}

void RunWatch::watch_gradients(const Values& values, std::vector<RunWarning>& out) {
  for (const auto& [name, value] : values) {
    // The norm is 0 for networks that are not being trained.
    if (!name.starts_with(metric::kGradientNormOf) || !std::isfinite(value) || value <= 0) continue;
    Norm& norm = norms_[name];
    const double mean = std::exp(norm.mean_log);
    const bool known = norm.reports >= kNormReports;
    const bool begins = known && value > kExploded * mean;
    if (norm.alarm.observe(begins, value < kCalm * mean, kAgreeing)) {
      out.push_back(
          {"gradient", fmt::format("the gradient of {} has grown to a norm of {:.4g}, {:.3g} times "
                                   "its earlier mean, {:.4g}",
                                   name.substr(name.find('/') + 1), value, value / mean, mean)});
    }
    if (begins || norm.alarm.on) continue;  // keeps the mean from before the explosion
    norm.reports = std::min(norm.reports + 1, kNormReports);
    const double weight = known ? kNormWeight : 1.0 / static_cast<double>(norm.reports);
    norm.mean_log += weight * (std::log(value) - norm.mean_log);
  }
}

std::set<std::int64_t> rescues_in(const std::filesystem::path& stats_file) {
  std::set<std::int64_t> numbers;
  for_each_line(stats_file, [&](const std::string& text) {
    if (text.find("\"rescue\"") == std::string::npos) return;  // parses few lines
    const auto line = try_parse_json(text);
    if (line.is_object() && line.value("event", "") == "rescue")
      numbers.insert(line.value("number", std::int64_t{0}));
  });
  return numbers;
}

void RunWatch::replay(const std::filesystem::path& stats_file) {
  for_each_line(stats_file, [this](const std::string& text) {
    const auto line = try_parse_json(text);
    if (!line.is_object()) return;
    Values values;
    for (const auto& [name, value] : line.items()) {
      if (value.is_number()) values[name] = value.get<double>();
    }
    const auto step = static_cast<std::int64_t>(values["step"]);
    if (!line.contains("event")) {
      static_cast<void>(report(step, values));
    } else if (line["event"] == "samples" && values.contains(metric::kFakeDistance) &&
               values.contains(metric::kRealDistance)) {
      static_cast<void>(samples(step, {values[metric::kFakeDistance], values[metric::kRealDistance],
                                       finite(values, metric::kRawDistance)}));
    } else if (line["event"] == "evaluate") {
      static_cast<void>(evaluation(values));
    } else if (line["event"] == "validation" && line.contains("stage") &&
               line["stage"].is_string()) {
      static_cast<void>(validation(line["stage"].get<std::string>(), values));
    }
  });
}

}  // namespace valley
