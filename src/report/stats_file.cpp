#include "report/stats_file.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/json_text.h"
#include "methods/metric_names.h"

namespace valley::report {
namespace {

using Json = nlohmann::json;

constexpr const char* kRatio = "derived:energy_ratio";

// A number; NaN for null, which is written for values that are not finite; nothing for other types.
std::optional<double> number(const Json& value) {
  if (value.is_number()) return value.get<double>();
  if (value.is_null()) return std::numeric_limits<double>::quiet_NaN();
  return std::nullopt;
}

std::optional<double> number(const Json& line, const char* name) {
  const auto found = line.find(name);
  return found == line.end() ? std::nullopt : number(*found);
}

std::string text(const Json& line, const char* name) {
  const auto found = line.find(name);
  return found != line.end() && found->is_string() ? found->get<std::string>() : "";
}

void add_epoch(Stats& stats, const Json& line, double step) {
  const std::optional<double> n = number(line, "steps");
  if (n && *n > 0) {
    if (const auto sum = number(line, "S_D")) stats.series["epoch:mean/real"].add(step, *sum / *n);
    if (const auto sum = number(line, "S_G")) stats.series["epoch:mean/fake"].add(step, *sum / *n);
  }
  const std::optional<double> from = number(line, "margin");
  const std::optional<double> to = number(line, "margin_next");
  if (!from || !to || !std::isfinite(*to)) return;
  // The margin is recorded as 0 or infinite before its first value.
  const bool is_first = !std::isfinite(*from) || (*from == 0 && *to > 0);
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  if (is_first || *to < *from) stats.cuts.push_back({step, is_first ? kNone : *from, *to});
}

void add_rescue(Stats& stats, const Json& line, double step) {
  const auto value = [&](const char* name) {
    return number(line, name).value_or(std::numeric_limits<double>::quiet_NaN());
  };
  stats.rescues.push_back(
      {step,
       fmt::format("rescue {:.0f}: from step {:.0f} to {:.0f}, with {:.4g} times the learning "
                   "rate; {}",
                   value("number"), value("lost"), value("restored"), value("lr_scale"),
                   text(line, "text"))});
}

void add_line(Stats& stats, const Json& line) {
  const std::string event = text(line, "event");
  const std::optional<double> step = number(line, "step");
  // Larger ones, of damaged lines, are not integers any more.
  constexpr double kMaxStep = 9007199254740992.0;  // 2^53
  const bool has_step = step && *step >= 0 && *step <= kMaxStep;
  if (event == "warning")
    stats.warnings.push_back({has_step ? *step : -1, text(line, "kind"), text(line, "text")});
  if (const std::string file = text(line, "file"); event == "samples" && !file.empty())
    stats.grids.push_back(file);
  if (!has_step) return;
  if (*step >= stats.last_step) {
    stats.last_step = *step;
    const std::optional<double> images = number(line, "images");
    if (images && std::isfinite(*images)) stats.last_images = *images;
  }
  if (event == "rescue") {
    add_rescue(stats, line, *step);
    return;
  }
  const std::string prefix = event.empty() ? "" : event + ":";
  for (const auto& [name, value] : line.items()) {
    if (name == "step" || name == "images") continue;
    if (const auto v = number(value)) stats.series[prefix + name].add(*step, *v);
  }
  if (event == "epoch") add_epoch(stats, line, *step);
  if (!event.empty()) return;
  const std::optional<double> real = number(line, metric::kRealEnergy);
  const std::optional<double> fake = number(line, metric::kFakeEnergy);
  if (real && fake && *real > 0) stats.series[kRatio].add(*step, *fake / *real);
}

bool has_negative(const Stats& stats, const char* name) {
  const auto found = stats.series.find(name);
  return found != stats.series.end() &&
         std::ranges::any_of(found->second.values, [](double value) { return value < 0; });
}

}  // namespace

Stats read_stats(std::string_view text) {
  Stats stats;
  for (std::size_t begin = 0, end = 0; begin < text.size(); begin = end + 1) {
    end = std::min(text.find('\n', begin), text.size());
    const std::string_view piece = text.substr(begin, end - begin);
    if (piece.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const Json line = try_parse_json(piece);
    if (line.is_object()) {
      ++stats.lines;
      add_line(stats, line);
    } else if (end < text.size()) {
      ++stats.unreadable;
    }
  }
  for (auto& [name, series] : stats.series) series.sort();
  if (has_negative(stats, metric::kRealEnergy) || has_negative(stats, metric::kFakeEnergy))
    stats.series.erase(kRatio);
  std::ranges::stable_sort(stats.cuts, {}, &MarginCut::step);
  return stats;
}

}  // namespace valley::report
