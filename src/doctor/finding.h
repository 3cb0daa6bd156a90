// What `valley doctor` finds: a line each for people, an object each for programs.
//
// A check calls ok, warn or fail once a fact. Findings made in another process or on another rank
// travel as lines of JSON.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"

namespace valley::doctor {

enum class Status { kOk, kWarning, kFailure };  // kFailure: it would stop a run

using Figures = std::map<std::string, double>;  // "write_mb_per_s" -> 512.3: names end in the unit

struct Finding {
  std::string group;  // "storage"
  std::string name;   // "out", unique in its group
  Status status = Status::kOk;
  std::string value;                // what was found, one line
  std::string advice;               // a way out; empty when kOk
  ExitCode code = ExitCode::kDone;  // of a failure: what a run would end with
  Figures figures;
  std::string host;  // another than the reporting one; else empty
};

struct Checkup {
  std::vector<Finding> findings;
  std::map<std::string, std::string> versions;  // "hdf5" -> "1.10.8", as loaded
};

// What checks write into.
class Notes {
 public:
  // `send` gets each finding and version as a line of JSON, at once.
  Notes(std::string group, std::function<void(const std::string& line)> send)
      : group_(std::move(group)), send_(std::move(send)) {}

  void ok(const std::string& name, const std::string& value, Figures figures = {}) const;
  void warn(const std::string& name, const std::string& value, const std::string& advice,
            Figures figures = {}) const;
  void fail(ExitCode code, const std::string& name, const std::string& value,
            const std::string& advice, Figures figures = {}) const;
  void version(const std::string& name, const std::string& version) const;

 private:
  std::string group_;
  std::function<void(const std::string& line)> send_;
};

[[nodiscard]] const char* status_name(Status status);  // "ok", "warning", "failure"

// Adds what a line of a Notes holds; a line that is not one of theirs is passed over.
void add_line(Checkup& checkup, const std::string& line);
[[nodiscard]] std::string to_lines(const Checkup& checkup);
void add_lines(Checkup& checkup, const std::string& lines);

}  // namespace valley::doctor
