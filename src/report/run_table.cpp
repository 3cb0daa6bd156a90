#include "report/run_table.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/error.h"
#include "core/json_text.h"
#include "core/numbers.h"
#include "core/text.h"
#include "report/page_text.h"
#include "report/run_files.h"
#include "storage/run_directory.h"

namespace valley::report {
namespace {

namespace fs = std::filesystem;

struct KnownMetric {
  const char* name;
  const char* series;  // in Stats::series
  bool is_better_low;
};
constexpr std::array kKnown = {
    KnownMetric{"swd", "evaluate:swd", true},
    KnownMetric{"coverage", "evaluate:coverage", false},
    KnownMetric{"error", "validation:error/validation", true},
    KnownMetric{"reconstruction_error", "validation:reconstruction_error/validation", true},
    KnownMetric{"M", "M", true},
};

const KnownMetric* find_known(const std::string& name) {
  const auto found = std::ranges::find(kKnown, name, &KnownMetric::name);
  return found == kKnown.end() ? nullptr : &*found;
}

std::optional<RunMetric> metric_of(const Stats& stats, const KnownMetric& known) {
  const auto found = stats.series.find(known.series);
  if (found == stats.series.end()) return std::nullopt;
  std::optional<RunMetric> metric;
  const Series& series = found->second;
  for (std::size_t i = 0; i < series.values.size(); ++i) {
    const double value = series.values[i];
    if (!std::isfinite(value)) continue;
    const bool is_best =
        !metric || (known.is_better_low ? value < metric->best : value > metric->best);
    if (!metric) metric = RunMetric{known.name, value, value, series.steps[i]};
    metric->last = value;
    if (!is_best) continue;
    metric->best = value;
    metric->best_step = series.steps[i];
  }
  return metric;
}

RunRow row_of(const fs::path& path) {
  RunRow row;
  row.path = path;
  RunFiles run;
  try {
    run = read_run_records(path);
  } catch (const Error& error) {
    row.state = "damaged";
    row.reason = error.what();
    return row;
  }
  const RunState state = describe_state(run);
  row.state = state.kind;
  if (state.kind == "open") row.state = is_run_in_use(path) ? "running" : "killed";
  if (row.state == "stopped" || row.state == "failed") row.reason = state.text;
  row.method = unquoted(run.setting("objective.name"));
  row.data = unquoted(run.setting("data.path"));
  row.seed = run.setting("train.seed");
  row.time = run.time;
  row.parent = run.parent();
  row.steps = parse_number<std::int64_t>(run.setting("train.steps"));
  if (!run.launches.empty()) row.started = field(run.launches.front(), "started");
  if (run.stats.last_step >= 0) row.step = static_cast<std::int64_t>(run.stats.last_step);
  for (const KnownMetric& known : kKnown)
    if (std::optional<RunMetric> metric = metric_of(run.stats, known))
      row.metrics.push_back(*std::move(metric));
  return row;
}

// Adds the run directories in `folder` and below; those inside a run are none.
void find_runs(const fs::path& folder, std::vector<fs::path>& found) {
  if (is_run(folder)) {
    found.push_back(folder);
    return;
  }
  std::error_code failed;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, failed)) {
    std::error_code ignored;
    const bool is_hidden = entry.path().filename().string().starts_with(".");
    if (!is_hidden && entry.is_directory(ignored) && !entry.is_symlink(ignored))
      find_runs(entry.path(), found);
  }
}

const RunMetric* metric_named(const RunRow& row, const std::string& name) {
  const auto found = std::ranges::find(row.metrics, name, &RunMetric::name);
  return found == row.metrics.end() ? nullptr : &*found;
}

// Numbers by value, not by their digits; texts that are no numbers after them.
std::pair<std::int64_t, std::string> number_first(const std::string& text) {
  const std::optional<std::int64_t> number = parse_number<std::int64_t>(text);
  return number ? std::pair(*number, std::string()) : std::pair(INT64_MAX, text);
}

std::string steps_text(const RunRow& row) {
  if (!row.step) return "-";
  return row.steps ? fmt::format("{}/{}", *row.step, *row.steps) : fmt::format("{}", *row.step);
}

// "48.1 (44.9 at 1500)": the last value, and the best one if that is another.
std::string metric_text(const RunMetric* metric) {
  if (metric == nullptr) return "-";
  if (metric->last == metric->best) return fmt::format("{:.4g}", metric->last);
  return fmt::format("{:.4g} ({:.4g} at {:.0f})", metric->last, metric->best, metric->best_step);
}

std::string or_dash(const std::string& text) { return text.empty() ? "-" : printable_line(text); }

// null without a time.jsonl.
nlohmann::ordered_json time_json(const Goodput& time) {
  if (time.launches == 0) return nullptr;
  nlohmann::ordered_json json = {{"goodput", time.share()},
                                 {"wall_s", time.wall()},
                                 {"launches", time.launches},
                                 {"restarts", time.restarts},
                                 {"lost_steps", time.lost_steps}};
  for (const TimePart& part : parts_of(time)) json[part.key + "_s"] = part.seconds;
  return json;
}

// Columns with their titles, as wide as their longest cell.
std::string padded(const std::vector<std::vector<std::string>>& cells) {
  std::vector<std::size_t> widths(cells.front().size(), 0);
  for (const auto& row : cells)
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], columns(row[c]));
  std::string text;
  for (const auto& row : cells) {
    std::string line;
    for (std::size_t c = 0; c < row.size(); ++c) {
      line += row[c];
      if (c + 1 < row.size()) line += std::string(widths[c] - columns(row[c]) + 2, ' ');
    }
    text += line + "\n";
  }
  return text;
}

}  // namespace

std::vector<std::string> known_metrics() {
  std::vector<std::string> names;
  for (const KnownMetric& known : kKnown) names.emplace_back(known.name);
  return names;
}

std::vector<std::string> sort_keys() {
  std::vector<std::string> keys = {"name", "state", "method", "data", "seed", "steps", "started"};
  for (const std::string& name : known_metrics()) keys.push_back(name);
  return keys;
}

std::vector<RunRow> list_runs(const fs::path& folder) {
  std::error_code failed;
  if (!fs::is_directory(folder, failed))
    throw Error(ExitCode::kMissingInput,
                "{} is not a folder: name the folder of the runs (--out of valley train), such as "
                "runs",
                folder.string());
  std::vector<fs::path> found;
  find_runs(folder, found);
  if (found.empty())
    throw Error(ExitCode::kMissingInput,
                "{} has no runs: name the folder that valley train writes them to (--out)",
                folder.string());
  std::ranges::sort(found);
  std::vector<RunRow> rows;
  rows.reserve(found.size());
  for (const fs::path& path : found) rows.push_back(row_of(path));
  return rows;
}

void sort_runs(std::vector<RunRow>& rows, const std::string& key) {
  const auto by = [&rows](const auto& value) {
    std::ranges::stable_sort(
        rows, [&value](const RunRow& a, const RunRow& b) { return value(a) < value(b); });
  };
  if (const KnownMetric* known = find_known(key)) {
    by([&](const RunRow& row) {
      const RunMetric* metric = metric_named(row, key);
      if (metric == nullptr) return std::pair(true, 0.0);
      return std::pair(false, known->is_better_low ? metric->best : -metric->best);
    });
    return;
  }
  if (key == "steps") by([](const RunRow& row) { return row.step.value_or(-1); });
  if (key == "seed") by([](const RunRow& row) { return number_first(row.seed); });
  if (key == "state") by([](const RunRow& row) { return row.state; });
  if (key == "method") by([](const RunRow& row) { return row.method; });
  if (key == "data") by([](const RunRow& row) { return row.data; });
  if (key == "started") by([](const RunRow& row) { return row.started; });
  if (key == "name") by([](const RunRow& row) { return row.path; });
}

std::string to_text(const std::vector<RunRow>& rows, const fs::path& folder) {
  std::vector<std::string> shown;  // metrics that any run has
  for (const std::string& name : known_metrics())
    if (std::ranges::any_of(rows, [&](const RunRow& row) { return metric_named(row, name); }))
      shown.push_back(name);
  std::vector<std::vector<std::string>> cells = {
      {"run", "state", "method", "seed", "steps", "data"}};
  const bool has_parents =
      std::ranges::any_of(rows, [](const RunRow& row) { return !row.parent.empty(); });
  if (has_parents) cells.front().emplace_back("parent");
  const bool has_restarts =
      std::ranges::any_of(rows, [](const RunRow& row) { return row.time.restarts > 0; });
  if (has_restarts) cells.front().emplace_back("goodput");
  for (const std::string& name : shown) cells.front().push_back(name);
  std::string reasons;
  for (const RunRow& row : rows) {
    const std::string relative = row.path.lexically_relative(folder).string();
    const std::string name = or_dash(relative == "." ? row.path.string() : relative);
    if (!row.reason.empty()) reasons += fmt::format("\n{}: {}", name, printable_line(row.reason));
    cells.push_back({name, row.state, or_dash(row.method), or_dash(row.seed), steps_text(row),
                     or_dash(row.data)});
    if (has_parents) cells.back().push_back(or_dash(row.parent));
    if (has_restarts) cells.back().push_back(row.time.wall() > 0 ? goodput_text(row.time) : "-");
    for (const std::string& metric : shown)
      cells.back().push_back(metric_text(metric_named(row, metric)));
  }
  return padded(cells) + (reasons.empty() ? "" : reasons + "\n");
}

std::string to_json(const std::vector<RunRow>& rows) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const RunRow& row : rows) {
    nlohmann::ordered_json metrics = nlohmann::ordered_json::object();
    for (const RunMetric& metric : row.metrics)
      metrics[metric.name] = {
          {"last", metric.last}, {"best", metric.best}, {"best_step", metric.best_step}};
    nlohmann::ordered_json entry = {{"path", row.path.string()}, {"state", row.state},
                                    {"reason", row.reason},      {"method", row.method},
                                    {"data", row.data},          {"seed", nullptr},
                                    {"parent", row.parent},      {"started", row.started},
                                    {"step", nullptr},           {"steps", nullptr}};
    if (const auto seed = parse_number<std::int64_t>(row.seed)) entry["seed"] = *seed;
    if (row.step) entry["step"] = *row.step;
    if (row.steps) entry["steps"] = *row.steps;
    entry["time"] = time_json(row.time);
    entry["metrics"] = std::move(metrics);
    list.push_back(std::move(entry));
  }
  return write_json(list);
}

}  // namespace valley::report
