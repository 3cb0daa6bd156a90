#include "report/page_data.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "core/json_text.h"
#include "report/panels.h"

namespace valley::report {
namespace {

using OrderedJson = nlohmann::ordered_json;

// Pairs of quantiles of a band, the widest first.
constexpr std::array<std::pair<const char*, const char*>, 2> kBands = {
    {{"/q05", "/q95"}, {"/q25", "/q75"}}};

OrderedJson rounded(double value) {
  if (!std::isfinite(value)) return nullptr;
  return std::strtod(fmt::format("{:.6g}", value).c_str(), nullptr);
}

OrderedJson rounded(const std::vector<double>& values) {
  OrderedJson list = OrderedJson::array();
  for (const double value : values) list.push_back(rounded(value));
  return list;
}

// Distinct lists of steps. The mean steps of buckets are rounded to whole steps.
class Axes {
 public:
  std::size_t number_of(const std::vector<double>& steps) {
    const auto [place, is_new] = numbers_.try_emplace(steps, numbers_.size());
    if (!is_new) return place->second;
    OrderedJson list = OrderedJson::array();
    for (const double step : steps) list.push_back(static_cast<std::int64_t>(std::round(step)));
    json_.push_back(std::move(list));
    return place->second;
  }
  OrderedJson take() { return std::move(json_); }

 private:
  std::map<std::vector<double>, std::size_t> numbers_;
  OrderedJson json_ = OrderedJson::array();
};

const Series* series_of(const RunFiles& run, const std::string& key) {
  const auto found = run.stats.series.find(key);
  return found == run.stats.series.end() ? nullptr : &found->second;
}

OrderedJson band_json(const Series& low, const Series& high, Axes& axes) {
  const Curve lower = reduce(low, kMaxPoints);
  const Curve upper = reduce(high, kMaxPoints);
  return {{"axis", axes.number_of(lower.steps)},
          {"low", rounded(lower.mean)},
          {"high", rounded(upper.mean)}};
}

// Quantiles; of a group the interval of the mean.
OrderedJson bands_of(const RunFiles& run, const std::string& key, Axes& axes) {
  OrderedJson bands = OrderedJson::array();
  if (run.members > 1) {
    if (const auto found = run.intervals.find(key); found != run.intervals.end())
      bands.push_back(band_json(found->second.low, found->second.high, axes));
    return bands;
  }
  for (const auto& [low_name, high_name] : kBands) {
    const Series* low = series_of(run, key + low_name);
    const Series* high = series_of(run, key + high_name);
    if (low == nullptr || high == nullptr || low->steps != high->steps) continue;
    bands.push_back(band_json(*low, *high, axes));
  }
  return bands;
}

// A rescue without its reason.
std::string short_text(const std::string& text) { return text.substr(0, text.find(';')); }

OrderedJson trace_of(const RunFiles& run, std::size_t number, const Trace& trace, Axes& axes) {
  const Curve curve = reduce(*series_of(run, trace.key), kMaxPoints);
  OrderedJson json = {{"run", number},
                      {"label", trace.label},
                      {"role", trace.role},
                      {"axis", axes.number_of(curve.steps)},
                      {"mean", rounded(curve.mean)},
                      {"bands", bands_of(run, trace.key, axes)},
                      {"values", curve.values},
                      {"not_finite", curve.not_finite}};
  if (OrderedJson low = rounded(curve.low); curve.is_reduced() && low != json["mean"]) {
    json["low"] = std::move(low);
    json["high"] = rounded(curve.high);
  }
  return json;
}

// Rescues, and with `cuts` the cuts of the margin.
OrderedJson marks_of(const std::vector<RunFiles>& runs, bool cuts) {
  OrderedJson marks = OrderedJson::array();
  for (std::size_t r = 0; r < runs.size(); ++r)
    for (const RescueLine& rescue : runs[r].stats.rescues)
      marks.push_back(
          {{"run", r}, {"step", rounded(rescue.step)}, {"text", short_text(rescue.text)}});
  if (!cuts) return marks;
  for (std::size_t r = 0; r < runs.size(); ++r)
    for (const MarginCut& cut : runs[r].stats.cuts)
      marks.push_back({{"run", r},
                       {"step", rounded(cut.step)},
                       {"text", std::isfinite(cut.from)
                                    ? fmt::format("margin {:.4g} → {:.4g}", cut.from, cut.to)
                                    : fmt::format("margin set to {:.4g}", cut.to)}});
  return marks;
}

// "l2_sum" if all runs have it; "" if they differ or it is unknown.
std::string common_energy(const std::vector<RunFiles>& runs) {
  const std::string energy = runs.front().energy();
  const bool is_common =
      std::ranges::all_of(runs, [&](const RunFiles& run) { return run.energy() == energy; });
  return is_common ? energy : "";
}

// True if the energies of all runs have the same unit.
bool have_one_energy(const std::vector<RunFiles>& runs) {
  return std::ranges::all_of(runs, [&](const RunFiles& run) {
    return run.energy() == runs.front().energy() &&
           (!run.energy().empty() ||
            run.setting("objective.name") == runs.front().setting("objective.name"));
  });
}

OrderedJson panel_json(const Panel& panel, const std::vector<RunFiles>& runs, Axes& axes) {
  const bool has_own_scale = panel.follows_energy && !have_one_energy(runs);
  OrderedJson traces = OrderedJson::array();
  for (std::size_t r = 0; r < runs.size(); ++r)
    for (const Trace& trace : panel.traces)
      if (series_of(runs[r], trace.key) != nullptr)
        traces.push_back(trace_of(runs[r], r, trace, axes));
  OrderedJson json = {
      {"section", panel.section},
      {"title", panel.title},
      {"note", panel.note},
      {"unit", panel.is_energy ? common_energy(runs) : panel.unit},
      {"facets", runs.size() > 1 && (panel.traces.size() > 1 || has_own_scale)},
      {"own_scale", has_own_scale},
      {"reference", panel.has_reference ? OrderedJson(panel.reference) : OrderedJson()},
      {"marks", marks_of(runs, panel.marks_cuts)},
      {"traces", std::move(traces)}};
  return json;
}

OrderedJson image_json(const GridImage& image, std::string id) {
  return {{"id", std::move(id)},
          {"step", rounded(image.step)},
          {"width", image.width},
          {"height", image.height}};
}

OrderedJson run_json(const RunFiles& run, std::size_t number) {
  OrderedJson fakes = OrderedJson::array();
  for (std::size_t i = 0; i < run.grids.fakes.size(); ++i)
    fakes.push_back(image_json(run.grids.fakes[i], grid_id(number, static_cast<int>(i))));
  const double rate = run.stats.last_step > 0 ? run.stats.last_images / run.stats.last_step : 0;
  const OrderedJson reals =
      run.grids.reals ? image_json(*run.grids.reals, grid_id(number, -1)) : OrderedJson();
  return {{"name", run.name},
          {"images_per_step", rounded(rate)},
          {"grids", {{"reals", reals}, {"fakes", std::move(fakes)}}}};
}

}  // namespace

std::string grid_id(std::size_t run, int index) {
  return index < 0 ? fmt::format("reals-{}", run) : fmt::format("fakes-{}-{}", run, index);
}

std::string page_data(const std::vector<RunFiles>& runs) {
  std::set<std::string> keys;
  OrderedJson list = OrderedJson::array();
  for (const RunFiles& run : runs) {
    for (const auto& [key, series] : run.stats.series) keys.insert(key);
    list.push_back(run_json(run, list.size()));
  }
  Axes axes;
  OrderedJson panels = OrderedJson::array();
  for (const Panel& panel : panels_for(keys)) panels.push_back(panel_json(panel, runs, axes));
  const bool has_groups =
      std::ranges::any_of(runs, [](const RunFiles& run) { return run.members > 1; });
  if (has_groups && !panels.empty()) {
    const std::string note = panels[0]["note"].get<std::string>();
    panels[0]["note"] = note + (note.empty() ? "" : " ") +
                        "Groups of seeds: means, and bands of the 95 % interval of the mean.";
  }
  const OrderedJson data = {
      {"runs", std::move(list)}, {"axes", axes.take()}, {"panels", std::move(panels)}};
  return write_json(data);
}

}  // namespace valley::report
