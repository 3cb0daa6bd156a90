#include "report/run_groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "report/page_text.h"

namespace valley::report {
namespace {

constexpr const char* kSeed = "train.seed";
constexpr std::size_t kMaxNamed = 3;  // settings in the name of a group

// Two-sided 95 % quantile of Student's t with `degrees` of freedom.
double t_quantile(std::size_t degrees) {
  constexpr std::array kTable = {12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646,
                                 2.3060,  2.2622, 2.2281, 2.2010, 2.1788, 2.1604, 2.1448,
                                 2.1314,  2.1199, 2.1098, 2.1009, 2.0930, 2.0860};
  if (degrees <= kTable.size()) return kTable.at(degrees - 1);
  // The expansion in 1 / degrees: exact to 4 digits.
  const auto n = static_cast<double>(degrees);
  return 1.959964 + 2.372271 / n + 2.822498 / (n * n) + 2.555850 / (n * n * n);
}

using Members = std::vector<std::size_t>;

// Settings without the seed; runs without settings differ from all.
std::string identity(const RunFiles& run, std::size_t number) {
  if (run.settings.empty()) return fmt::format("\n{}", number);
  std::string text;
  for (const auto& [key, value] : run.settings)
    if (key != kSeed) text += key + "\n" + value + "\n";
  return text;
}

std::vector<Members> find_groups(const std::vector<RunFiles>& runs) {
  std::vector<Members> groups;
  std::map<std::string, std::size_t> known;
  for (std::size_t r = 0; r < runs.size(); ++r) {
    const auto [place, is_new] = known.try_emplace(identity(runs[r], r), groups.size());
    if (is_new) groups.emplace_back();
    groups[place->second].push_back(r);
  }
  return groups;
}

// "00007-began-64" without the number.
std::string base_name(const RunFiles& run) {
  const std::size_t dash = run.name.find('-');
  const bool has_number =
      dash != std::string::npos && dash > 0 && run.name.find_first_not_of("0123456789") == dash;
  return has_number ? run.name.substr(dash + 1) : run.name;
}

// Keys in which the first runs of the groups differ, without the seed.
std::vector<std::string> different_keys(const std::vector<RunFiles>& runs,
                                        const std::vector<Members>& groups) {
  std::vector<std::string> keys;
  std::set<std::string> seen = {kSeed};
  for (const Members& group : groups) {
    for (const auto& [key, value] : runs[group.front()].settings) {
      if (!seen.insert(key).second) continue;
      const std::string first = runs[groups.front().front()].setting(key);
      if (std::ranges::any_of(groups, [&, &k = key](const Members& other) {
            return runs[other.front()].setting(k) != first;
          }))
        keys.push_back(key);
    }
  }
  return keys;
}

std::string name_of(const std::vector<RunFiles>& runs, const Members& group,
                    const std::vector<std::string>& keys) {
  const RunFiles& first = runs[group.front()];
  std::string name = base_name(first);
  for (std::size_t i = 0; i < std::min(keys.size(), kMaxNamed); ++i) {
    const std::string value = unquoted(first.setting(keys[i]));
    name += fmt::format(" {}={}", keys[i].substr(keys[i].rfind('.') + 1), value);
  }
  return fmt::format("{} ({} seeds)", name, group.size());
}

// Means and intervals of one metric.
void add_mean(const std::vector<RunFiles>& runs, const Members& group, const std::string& key,
              RunFiles& merged) {
  std::map<double, std::vector<double>> by_step;
  for (const std::size_t r : group) {
    const auto found = runs[r].stats.series.find(key);
    if (found == runs[r].stats.series.end()) continue;
    const Series& series = found->second;
    for (std::size_t i = 0; i < series.steps.size(); ++i)
      if (std::isfinite(series.values[i])) by_step[series.steps[i]].push_back(series.values[i]);
  }
  Series mean;
  Interval interval;
  for (const auto& [step, values] : by_step) {
    if (values.size() < 2) continue;
    const double center =
        std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
    const double half = mean_interval(values);
    mean.add(step, center);
    interval.low.add(step, center - half);
    interval.high.add(step, center + half);
    interval.last_count = values.size();
  }
  if (mean.steps.empty()) return;
  merged.stats.series[key] = std::move(mean);
  merged.intervals[key] = std::move(interval);
}

// "seeds 0, 1, 2: 2 done; 1 failed (seed 1, at step 300)".
std::string describe_members(const std::vector<RunFiles>& runs, const Members& group) {
  std::string seeds;
  std::map<std::string, std::size_t> counts;
  std::map<std::string, std::string> places;
  for (const std::size_t r : group) {
    const std::string seed = runs[r].setting(kSeed);
    seeds += (seeds.empty() ? "" : ", ") + seed;
    const std::string kind = describe_state(runs[r]).kind;
    ++counts[kind];
    places[kind] += fmt::format("{}seed {}, at step {:.0f}", places[kind].empty() ? "" : "; ", seed,
                                std::max(0.0, runs[r].stats.last_step));
  }
  std::string states;
  for (const auto& [kind, count] : counts) {
    states += fmt::format("{}{} {}", states.empty() ? "" : "; ", count,
                          kind == "open" ? "without an end" : kind);
    if (kind != "done") states += " (" + places[kind] + ")";
  }
  return fmt::format("seeds {}: {}", seeds, states);
}

std::string kind_of(const std::vector<RunFiles>& runs, const Members& group) {
  for (const char* kind : {"failed", "open", "stopped"})
    for (const std::size_t r : group)
      if (describe_state(runs[r]).kind == kind) return kind;
  return "done";
}

RunFiles merge(const std::vector<RunFiles>& runs, const Members& group,
               const std::vector<std::string>& keys) {
  RunFiles merged = runs[group.front()];
  merged.name = name_of(runs, group, keys);
  merged.members = group.size();
  merged.state = {kind_of(runs, group), describe_members(runs, group)};
  merged.stats = {};
  std::set<std::string> metrics;
  std::string seeds;
  for (const std::size_t r : group) {
    const Stats& stats = runs[r].stats;
    for (const auto& [key, series] : stats.series) metrics.insert(key);
    if (stats.last_step > merged.stats.last_step) {
      merged.stats.last_step = stats.last_step;
      merged.stats.last_images = stats.last_images;
    }
    seeds += (seeds.empty() ? "" : ", ") + runs[r].setting(kSeed);
  }
  for (const std::string& key : metrics) add_mean(runs, group, key, merged);
  for (auto& [key, value] : merged.settings)
    if (key == kSeed) value = seeds;
  return merged;
}

}  // namespace

double mean_interval(const std::vector<double>& values) {
  VALLEY_CHECK(values.size() >= 2);
  const auto n = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return t_quantile(values.size() - 1) * std::sqrt(squares / (n - 1) / n);
}

std::size_t count_groups(const std::vector<RunFiles>& runs) { return find_groups(runs).size(); }

std::vector<RunFiles> group_runs(std::vector<RunFiles>& runs) {
  const std::vector<Members> groups = find_groups(runs);
  const std::vector<std::string> keys = different_keys(runs, groups);
  std::vector<RunFiles> entries;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    for (const std::size_t r : groups[g]) runs[r].entry = g;
    entries.push_back(groups[g].size() == 1 ? runs[groups[g].front()]
                                            : merge(runs, groups[g], keys));
    entries.back().entry = g;
  }
  // Groups that differ in further keys only.
  std::map<std::string, std::size_t> times;
  for (const RunFiles& entry : entries) ++times[entry.name];
  for (std::size_t g = 0; g < groups.size(); ++g)
    if (groups[g].size() > 1 && times[entries[g].name] > 1)
      entries[g].name += " from " + runs[groups[g].front()].name;
  return entries;
}

}  // namespace valley::report
