#include "doctor/finding.h"

#include <nlohmann/json.hpp>
#include <sstream>

#include "core/json_text.h"

namespace valley::doctor {
namespace {

using nlohmann::json;

std::string text_line(const json& object) { return write_json(object); }

std::string finding_line(const Finding& f) {
  return text_line({{"group", f.group},
                    {"name", f.name},
                    {"status", static_cast<int>(f.status)},
                    {"value", f.value},
                    {"advice", f.advice},
                    {"code", static_cast<int>(f.code)},
                    {"figures", f.metrics},
                    {"host", f.host}});
}

std::string version_line(const std::string& name, const std::string& version) {
  return text_line({{"component", name}, {"version", version}});
}

}  // namespace

void Notes::ok(const std::string& name, const std::string& value, Metrics metrics) const {
  send_(finding_line(
      {group_, name, Status::kOk, value, "", ExitCode::kDone, std::move(metrics), ""}));
}

void Notes::warn(const std::string& name, const std::string& value, const std::string& advice,
                 Metrics metrics) const {
  send_(finding_line(
      {group_, name, Status::kWarning, value, advice, ExitCode::kDone, std::move(metrics), ""}));
}

void Notes::fail(ExitCode code, const std::string& name, const std::string& value,
                 const std::string& advice, Metrics metrics) const {
  send_(
      finding_line({group_, name, Status::kFailure, value, advice, code, std::move(metrics), ""}));
}

void Notes::version(const std::string& name, const std::string& version) const {
  send_(version_line(name, version));
}

const char* status_name(Status status) {
  switch (status) {
    case Status::kWarning:
      return "warning";
    case Status::kFailure:
      return "failure";
    default:
      return "ok";
  }
}

void add_line(Checkup& checkup, const std::string& line) {
  const json object = try_parse_json(line);
  if (!object.is_object()) return;
  try {
    if (object.contains("component")) {
      checkup.versions[object.at("component")] = object.at("version");
      return;
    }
    checkup.findings.push_back({object.at("group"), object.at("name"),
                                static_cast<Status>(object.at("status").get<int>()),
                                object.at("value"), object.at("advice"),
                                static_cast<ExitCode>(object.at("code").get<int>()),
                                object.at("figures").get<Metrics>(), object.at("host")});
  } catch (const json::exception&) {
    // An incomplete line.
  }
}

std::string to_lines(const Checkup& checkup) {
  std::string lines;
  for (const Finding& f : checkup.findings) lines += finding_line(f) + "\n";
  for (const auto& [name, version] : checkup.versions) lines += version_line(name, version) + "\n";
  return lines;
}

void add_lines(Checkup& checkup, const std::string& lines) {
  std::istringstream in(lines);
  for (std::string line; std::getline(in, line);) add_line(checkup, line);
}

}  // namespace valley::doctor
