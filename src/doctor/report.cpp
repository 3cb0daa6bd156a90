#include "doctor/report.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/json_text.h"
#include "core/text.h"

namespace valley::doctor {
namespace {

using nlohmann::ordered_json;

using Title = std::pair<const char*, const char*>;
constexpr std::array<Title, 9> kGroups{{
    {"program", "Program and libraries"},
    {"images", "Images"},
    {"gpus", "GPUs"},
    {"machine", "Machine"},
    {"limits", "Limits"},
    {"ranks", "Ranks"},
    {"storage", "Storage"},
    {"data", "Data"},
    {"slurm", "Slurm"},
}};

std::size_t group_order(const std::string& group) {
  const auto* const found = std::find_if(kGroups.begin(), kGroups.end(),
                                         [&](const Title& title) { return group == title.first; });
  return static_cast<std::size_t>(found - kGroups.begin());
}

std::int64_t count(const Checkup& checkup, Status status) {
  return std::count_if(checkup.findings.begin(), checkup.findings.end(),
                       [&](const Finding& f) { return f.status == status; });
}

std::string colored(const std::string& text, const char* color, const TextStyle& style) {
  const std::string shown = printable(text);
  return style.colors && *color != '\0' ? fmt::format("\x1b[{}m{}\x1b[0m", color, shown) : shown;
}

constexpr const char* kPlain = "";
constexpr const char* kBold = "1";
constexpr const char* kDim = "2";
constexpr const char* kRed = "1;31";
constexpr const char* kGreen = "32";
constexpr const char* kYellow = "33";

std::string mark(Status status, const TextStyle& style) {
  switch (status) {
    case Status::kWarning:
      return colored("warn", kYellow, style);
    case Status::kFailure:
      return colored("FAIL", kRed, style);
    default:
      return colored("ok  ", kGreen, style);
  }
}

// Wraps text; continuation lines are aligned with the first.
std::string block(const std::string& text, std::size_t indent, const char* color,
                  const TextStyle& style) {
  constexpr std::size_t kMinWidth = 20;
  if (style.width == 0) return colored(text, color, style);
  std::string all;
  const std::size_t width = std::max(kMinWidth, style.width - std::min(indent, style.width));
  for (const std::string& line : wrap(text, width)) {
    if (!all.empty()) all.append(1, '\n').append(indent, ' ');
    all += colored(line, color, style);
  }
  return all;
}

std::string finding_row(const Finding& f, std::size_t names, const TextStyle& style) {
  constexpr std::size_t kMark = 2 + 4 + 2;  // "  ok    "
  const std::size_t indent = kMark + names + 2;
  const std::string value = f.host.empty() ? f.value : f.host + ": " + f.value;
  std::string text = fmt::format("  {}  {:<{}}  {}\n", mark(f.status, style), f.name, names,
                                 block(value, indent, kPlain, style));
  if (!f.advice.empty())
    text += fmt::format("{}{}\n", std::string(indent, ' '),
                        block("-> " + f.advice, indent, kDim, style));
  return text;
}

ordered_json to_object(const Finding& f) {
  ordered_json object = {{"group", f.group},
                         {"name", f.name},
                         {"status", status_name(f.status)},
                         {"value", f.value},
                         {"advice", f.advice.empty() ? ordered_json() : ordered_json(f.advice)}};
  if (f.status == Status::kFailure) object["exit_code"] = static_cast<int>(f.code);
  if (!f.host.empty()) object["host"] = f.host;
  if (!f.metrics.empty()) object["figures"] = f.metrics;
  return object;
}

}  // namespace

void sort_findings(Checkup& checkup) {
  std::stable_sort(checkup.findings.begin(), checkup.findings.end(),
                   [](const Finding& a, const Finding& b) {
                     return group_order(a.group) < group_order(b.group);
                   });
}

ExitCode exit_code(const Checkup& checkup) {
  for (const Finding& f : checkup.findings) {
    if (f.status == Status::kFailure) return f.code;
  }
  return ExitCode::kDone;
}

std::string verdict(const Report& report) {
  const std::int64_t failures = count(report.checkup, Status::kFailure);
  if (failures == 0) {
    const std::int64_t warnings = count(report.checkup, Status::kWarning);
    return fmt::format("ready to train on {}{}",
                       plural(report.ranks, report.on_gpus ? "GPU rank" : "CPU rank"),
                       warnings == 0 ? "" : fmt::format(" ({})", plural(warnings, "warning")));
  }
  const auto first = std::find_if(report.checkup.findings.begin(), report.checkup.findings.end(),
                                  [](const Finding& f) { return f.status == Status::kFailure; });
  return fmt::format("would stop a run: {}: {}{}", first->name, first->value,
                     failures == 1 ? "" : fmt::format(" (and {} more)", failures - 1));
}

std::string to_text(const Report& report, const TextStyle& style) {
  std::size_t names = 0;
  for (const Finding& f : report.checkup.findings) names = std::max(names, f.name.size());
  std::string text;
  std::string group;
  for (const Finding& f : report.checkup.findings) {
    if (f.group != group) {
      group = f.group;
      const std::size_t place = group_order(group);
      const char* const title = place < kGroups.size() ? kGroups.at(place).second : group.c_str();
      text += fmt::format("{}{}\n", text.empty() ? "" : "\n", colored(title, kBold, style));
    }
    text += finding_row(f, names, style);
  }
  const bool ready = count(report.checkup, Status::kFailure) == 0;
  return text + "\n" + block(verdict(report), 0, ready ? kGreen : kRed, style) + "\n";
}

std::string to_json(const Report& report) {
  ordered_json findings = ordered_json::array();
  for (const Finding& f : report.checkup.findings) findings.push_back(to_object(f));
  const ExitCode code = exit_code(report.checkup);
  const ordered_json root = {
      {"ok", code == ExitCode::kDone}, {"exit_code", static_cast<int>(code)},
      {"verdict", verdict(report)},    {"host", report.host},
      {"ranks", report.ranks},         {"gpus", report.on_gpus},
      {"findings", findings},          {"versions", report.checkup.versions}};
  return write_json(root, 1);
}

}  // namespace valley::doctor
