// Cards of the runs.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <iterator>

#include "methods/metric_names.h"
#include "report/escape.h"
#include "report/page_text.h"

namespace valley::report {
namespace {

constexpr const char* kStoppedEarly = "75";

// Field `name` of the end of the last launch. exit.json comes first, as the first rank that fails
// writes it, and run.json may not have it yet.
std::string last_end(const RunFiles& run, const std::string& name) {
  if (!run.end.empty()) return field(run.end, name);
  return run.launches.empty() ? "" : field(run.launches.back(), name);
}

// 1234567 as "1,234,567".
std::string grouped(double number) {
  const std::string digits = fmt::format("{:.0f}", number);
  std::string out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

std::string number_text(double value) {
  return std::abs(value) >= 1000 ? grouped(value) : fmt::format("{:.4g}", value);
}

// Last finite value of a metric, or "".
std::string last_value(const RunFiles& run, const std::string& key) {
  const auto found = run.stats.series.find(key);
  if (found == run.stats.series.end()) return "";
  const std::vector<double>& values = found->second.values;
  const auto last =
      std::find_if(values.rbegin(), values.rend(), [](double v) { return std::isfinite(v); });
  if (last == values.rend()) return "";
  const auto interval = run.intervals.find(key);
  if (interval == run.intervals.end()) return number_text(*last);
  return fmt::format("{} ± {:.2g}", number_text(*last),
                     interval->second.high.values.back() - *last);
}

std::string median(const RunFiles& run, const std::string& key, const std::string& unit) {
  const auto found = run.stats.series.find(key);
  if (found == run.stats.series.end()) return "";
  std::vector<double> values = found->second.values;
  std::erase_if(values, [](double v) { return !std::isfinite(v); });
  if (values.empty()) return "";
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return number_text(*middle) + " " + unit;
}

std::string joined(const std::string& a, const std::string& between, const std::string& b) {
  return a.empty() || b.empty() ? a + b : a + between + b;
}

// "a (b)", or "a" alone.
std::string with_reference(const std::string& a, const std::string& b) {
  return a.empty() || b.empty() ? a : a + " (" + b + ")";
}

std::string progress(const RunFiles& run) {
  if (run.stats.last_step < 0) return "";
  const std::string steps = run.setting("train.steps");
  const bool is_number = !steps.empty() && std::ranges::all_of(steps, [](unsigned char c) {
    return std::isdigit(c) != 0;
  });
  return grouped(run.stats.last_step) +
         (is_number ? " of " + grouped(std::strtod(steps.c_str(), nullptr)) : std::string());
}

std::string hardware_text(const RunFiles& run) {
  if (run.launches.empty()) return "";
  const Fields& launch = run.launches.back();
  const std::string ranks = field(launch, "ranks");
  const std::string device = field(launch, "device");
  const std::string where = joined(field(launch, "host"), ", ", device);
  return joined(ranks.empty() ? "" : ranks + (ranks == "1" ? " rank" : " ranks"), " on ", where);
}

std::string data_text(const RunFiles& run) {
  std::string text = unquoted(run.setting("data.path"));
  if (const std::string images = field(run.data, "images"); !images.empty())
    text += fmt::format(", {} images", images);
  return text;
}

// Names and values in the order of the card, without empty values.
Fields facts_of(const RunFiles& run) {
  const std::string resolution = run.setting("model.resolution");
  const bool is_gray = run.setting("model.channels") == "1";
  Fields facts = {
      {"Objective", joined(unquoted(run.setting("objective.name")), ", ", run.energy())},
      {"Model", joined(unquoted(run.setting("model.name")), ", ",
                       resolution.empty()
                           ? ""
                           : fmt::format("{0}×{0} {1}", resolution, is_gray ? "gray" : "RGB"))},
      {"Data", data_text(run)},
      {"Started from", run.parent()},
      {"Steps", progress(run)},
      {"Images seen", run.stats.last_images > 0 ? grouped(run.stats.last_images) : ""},
      {"Images per step", run.setting("train.global_batch")},
      {"Energy, real", last_value(run, metric::kRealEnergy)},
      {"Energy, generated", last_value(run, metric::kFakeEnergy)},
      {"Margin", last_value(run, metric::kMargin)},
      {"k", last_value(run, metric::kControl)},
      {"M", last_value(run, metric::kConvergence)},
      {"SWD (floor)",
       with_reference(last_value(run, "evaluate:swd"), last_value(run, "evaluate:swd/floor"))},
      {"Variety (data)", with_reference(last_value(run, "samples:distance/fake"),
                                        last_value(run, "samples:distance/real"))},
      {"Speed, median", median(run, metric::kImagesPerSecond, "images/s")},
      {"Goodput", run.time.wall() > 0 ? goodput_text(run.time) : ""},
      {"Last launch", hardware_text(run)},
  };
  std::erase_if(facts, [](const auto& fact) { return fact.second.empty(); });
  return facts;
}

struct Column {
  const char* title;
  const char* key;
};
constexpr std::array kColumns = {
    Column{"SWD", "evaluate:swd"},
    Column{"Coverage", "evaluate:coverage"},
    Column{"Validation error", "validation:error/validation"},
    Column{"M", metric::kConvergence},
    Column{"Energy, real", metric::kRealEnergy},
    Column{"Energy, generated", metric::kFakeEnergy},
    Column{"Variety", "samples:distance/fake"},
};

// "12.3 ± 0.4 (n = 3)".
std::string mean_cell(const RunFiles& entry, const char* key) {
  const std::string value = last_value(entry, key);
  const auto interval = entry.intervals.find(key);
  if (interval == entry.intervals.end()) return value;
  return fmt::format("{} (n = {})", value, interval->second.last_count);
}

}  // namespace

std::string color_class(std::size_t entry) {
  constexpr std::size_t kColors = 24;  // of page.css
  return fmt::format("run-{}", entry % kColors);
}

std::string groups_table(const std::vector<RunFiles>& entries) {
  if (std::ranges::all_of(entries, [](const RunFiles& e) { return e.members == 1; })) return "";
  std::vector<Column> shown;
  std::ranges::copy_if(kColumns, std::back_inserter(shown), [&](const Column& column) {
    return std::ranges::any_of(
        entries, [&](const RunFiles& e) { return !last_value(e, column.key).empty(); });
  });
  std::string html =
      "<div class=\"wide\"><table class=\"groups\"><thead><tr><th scope=\"col\">Group</th>"
      "<th scope=\"col\">Runs</th><th scope=\"col\">Step</th>";
  for (const Column& column : shown) html += fmt::format("<th scope=\"col\">{}</th>", column.title);
  html += "</tr></thead><tbody>\n";
  for (const RunFiles& entry : entries) {
    html += fmt::format(
        "<tr><th scope=\"row\"><span class=\"dot {}\"></span>{}</th><td>{}</td><td>{}</td>",
        color_class(entry.entry), escape_html(entry.name), entry.members,
        entry.stats.last_step < 0 ? "–" : grouped(entry.stats.last_step));
    for (const Column& column : shown) {
      const std::string cell = mean_cell(entry, column.key);
      html += fmt::format("<td>{}</td>", cell.empty() ? "–" : cell);
    }
    html += "</tr>\n";
  }
  return html +
         "</tbody></table></div>\n<p class=\"note\">Runs whose settings differ in train.seed alone "
         "are one group. Values are the last mean over its seeds ± half of the 95 % t interval of "
         "that mean; n: seeds with a value at that step. Bands of plots are that interval.</p>\n";
}

RunState describe_state(const RunFiles& run) {
  if (run.members > 1) return run.state;
  const std::string code = last_end(run, "exit_code");
  const std::string why = last_end(run, "why");
  if (code.empty()) return {"open", "no end recorded: it is running, or was killed"};
  if (code == "0") return {"done", "done"};
  const std::string more = why.empty() ? "" : ": " + why;
  if (code == kStoppedEarly) return {"stopped", "stopped early (75)" + more};
  return {"failed", fmt::format("failed ({}){}", code, more)};
}

std::string run_cards(const std::vector<RunFiles>& runs) {
  std::string html = "<div class=\"cards\">\n";
  for (std::size_t r = 0; r < runs.size(); ++r) {
    const RunState state = describe_state(runs[r]);
    html += fmt::format(
        "<article class=\"card\"><h2><span class=\"dot {}\"></span>{}</h2>\n"
        "<p class=\"state {}\">{}</p>\n<dl class=\"facts\">\n",
        color_class(runs[r].entry), escape_html(runs[r].name), state.kind, escape_html(state.text));
    for (const auto& [name, value] : facts_of(runs[r]))
      html += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", name, escape_html(value));
    html += "</dl></article>\n";
  }
  return html + "</div>\n";
}

}  // namespace valley::report
