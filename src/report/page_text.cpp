#include "report/page_text.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <set>

#include "report/escape.h"

namespace valley::report {
namespace {

constexpr std::size_t kMaxWarnings = 100;

std::string item(const std::string& kind, const std::string& place, const std::string& text) {
  return fmt::format("<li class=\"{}\"><span class=\"place\">{}</span> {}</li>\n", kind,
                     escape_html(place), escape_html(text));
}

std::string warning_place(const Warning& warning) {
  const std::string step = warning.step < 0 ? "" : fmt::format("step {:.0f}", warning.step);
  return step.empty() || warning.kind.empty() ? step + warning.kind : warning.kind + ", " + step;
}

// True for warnings that are in both files.
bool is_in_stats(const LogMessage& message, const Stats& stats) {
  return std::ranges::any_of(stats.warnings, [&](const Warning& warning) {
    return !warning.text.empty() && message.text.find(warning.text) != std::string::npos;
  });
}

std::string warnings_of(const RunFiles& run) {
  std::vector<std::string> items;
  for (const RescueLine& rescue : run.stats.rescues)
    items.push_back(item("rescue", fmt::format("step {:.0f}", rescue.step), rescue.text));
  for (const Warning& warning : run.stats.warnings)
    items.push_back(item("training", warning_place(warning), warning.text));
  for (const LogMessage& message : run.log) {
    if (is_in_stats(message, run.stats)) continue;
    const std::string times = message.times > 1 ? fmt::format(" ({} times)", message.times) : "";
    items.push_back(item("log", message.time, message.text + times));
  }
  for (const std::string& notice : run.notices) items.push_back(item("notice", "files", notice));
  std::string html;
  for (std::size_t i = 0; i < std::min(items.size(), kMaxWarnings); ++i) html += items[i];
  if (items.size() > kMaxWarnings)
    html += item("notice", "", fmt::format("and {} more", items.size() - kMaxWarnings));
  return html;
}

// Union of the runs' keys, in the order of their first occurrence.
std::vector<std::string> keys_of(const std::vector<RunFiles>& runs) {
  std::vector<std::string> keys;
  std::set<std::string> known;
  for (const RunFiles& run : runs)
    for (const auto& [key, value] : run.settings)
      if (known.insert(key).second) keys.push_back(key);
  return keys;
}

bool differs(const std::vector<RunFiles>& runs, const std::string& key) {
  return std::ranges::any_of(
      runs, [&](const RunFiles& run) { return run.setting(key) != runs.front().setting(key); });
}

std::string settings_table(const std::vector<RunFiles>& runs,
                           const std::vector<std::string>& keys) {
  std::string html = "<div class=\"wide\"><table><thead><tr><th scope=\"col\">Key</th>";
  for (std::size_t r = 0; r < runs.size(); ++r)
    html += runs.size() == 1
                ? "<th scope=\"col\">Value</th>"
                : fmt::format("<th scope=\"col\"><span class=\"dot {}\"></span>{}</th>",
                              color_class(runs[r].entry), escape_html(runs[r].name));
  html += "</tr></thead><tbody>\n";
  for (const std::string& key : keys) {
    html += fmt::format("<tr><th scope=\"row\">{}</th>", escape_html(key));
    for (const RunFiles& run : runs) {
      const std::string value = run.setting(key);
      html += fmt::format("<td>{}</td>", value.empty() ? "–" : escape_html(value));
    }
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

std::string launch_title(const Fields& launch, std::size_t number) {
  const std::string code = field(launch, "exit_code");
  const std::string why = field(launch, "why");
  std::string end = code.empty() ? "no end recorded" : "exit code " + code;
  if (!why.empty()) end += ": " + why;
  return fmt::format("Launch {}: {}, {} rank(s) on {}; {}", number, field(launch, "started"),
                     field(launch, "ranks"), field(launch, "host"), end);
}

std::string fields_list(const Fields& fields) {
  std::string html = "<dl class=\"fields\">\n";
  for (const auto& [name, value] : fields)
    if (!value.empty())
      html += fmt::format("<dt>{}</dt><dd>{}</dd>\n", escape_html(name), escape_html(value));
  return html + "</dl>\n";
}

}  // namespace

std::string section(const std::string& id, const std::string& title, const std::string& body) {
  return fmt::format(
      "<section id=\"{0}\" aria-labelledby=\"{0}-title\"><h2 "
      "id=\"{0}-title\">{1}</h2>\n{2}</section>\n",
      id, title, body);
}

std::string heading(const std::vector<RunFiles>& runs, std::size_t number) {
  if (runs.size() == 1) return "";
  return fmt::format("<h3><span class=\"dot {}\"></span>{}</h3>\n", color_class(runs[number].entry),
                     escape_html(runs[number].name));
}

std::string details_element(const std::string& title, const std::string& body) {
  return fmt::format("<details><summary>{}</summary>\n{}</details>\n", title, body);
}

std::string warnings_section(const std::vector<RunFiles>& runs) {
  std::string body;
  for (std::size_t r = 0; r < runs.size(); ++r)
    if (const std::string items = warnings_of(runs[r]); !items.empty())
      body += heading(runs, r) + "<ul class=\"warnings\">\n" + items + "</ul>\n";
  return body.empty() ? "" : section("warnings", "Warnings", body);
}

std::string settings_section(const std::vector<RunFiles>& runs) {
  const std::vector<std::string> keys = keys_of(runs);
  std::string body;
  if (runs.size() > 1) {
    std::vector<std::string> different;
    std::ranges::copy_if(keys, std::back_inserter(different),
                         [&](const std::string& key) { return differs(runs, key); });
    body += different.empty() ? "<p>All settings are the same.</p>\n"
                              : "<h3>Settings that differ</h3>\n" + settings_table(runs, different);
  }
  if (!keys.empty())
    body +=
        details_element(fmt::format("All {} settings", keys.size()), settings_table(runs, keys));
  for (std::size_t r = 0; r < runs.size(); ++r)
    if (!runs[r].config.empty())
      body += details_element(
          "config.toml" + (runs.size() == 1 ? "" : " of " + escape_html(runs[r].name)),
          "<pre>" + escape_html(runs[r].config) + "</pre>\n");
  return section("settings", "Settings", body);
}

std::string launches_section(const std::vector<RunFiles>& runs) {
  std::string body;
  for (std::size_t r = 0; r < runs.size(); ++r) {
    const RunFiles& run = runs[r];
    body += heading(runs, r);
    Fields data = run.data;
    if (!run.launches.empty())
      data.insert(data.begin(), {"fingerprint", field(run.launches.back(), "data_fingerprint")});
    data.insert(data.begin(), {"path", run.setting("data.path")});
    body += details_element("Data", fields_list(data));
    for (std::size_t i = run.launches.size(); i-- > 0;)
      body += details_element(escape_html(launch_title(run.launches[i], i + 1)),
                              fields_list(run.launches[i]));
    if (!run.end.empty()) body += details_element("exit.json", fields_list(run.end));
  }
  return section("launches", "Data and launches", body);
}

}  // namespace valley::report
