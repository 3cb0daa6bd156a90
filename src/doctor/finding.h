// Findings of `valley doctor`, one line each in the text report and one object each in JSON.
//
// A check calls ok, warn or fail once per fact. Findings of other processes and ranks are sent as
// lines of JSON.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"

namespace valley::doctor {

enum class Status { kOk, kWarning, kFailure };  // kFailure: would stop a run

using Metrics =
    std::map<std::string, double>;  // "write_mb_per_s" -> 512.3; names end with the unit

struct Finding {
  std::string group;  // "storage"
  std::string name;   // "out", unique in its group
  Status status = Status::kOk;
  std::string value;                // one line
  std::string advice;               // recommended action; empty for kOk
  ExitCode code = ExitCode::kDone;  // for failures: exit code of a run
  Metrics metrics;
  std::string host;  // if not the reporting host; else empty
};

struct Checkup {
  std::vector<Finding> findings;
  std::map<std::string, std::string> versions;  // "hdf5" -> "1.10.8", as loaded
};

// Collects the findings of one group of checks.
class Notes {
 public:
  // Calls `send` immediately with each finding and version as a line of JSON.
  Notes(std::string group, std::function<void(const std::string& line)> send)
      : group_(std::move(group)), send_(std::move(send)) {}

  void ok(const std::string& name, const std::string& value, Metrics metrics = {}) const;
  void warn(const std::string& name, const std::string& value, const std::string& advice,
            Metrics metrics = {}) const;
  void fail(ExitCode code, const std::string& name, const std::string& value,
            const std::string& advice, Metrics metrics = {}) const;
  void version(const std::string& name, const std::string& version) const;

 private:
  std::string group_;
  std::function<void(const std::string& line)> send_;
};

[[nodiscard]] const char* status_name(Status status);  // "ok", "warning", "failure"

// Adds a finding or version from a line of Notes; ignores other lines.
void add_line(Checkup& checkup, const std::string& line);
[[nodiscard]] std::string to_lines(const Checkup& checkup);
void add_lines(Checkup& checkup, const std::string& lines);

}  // namespace valley::doctor
