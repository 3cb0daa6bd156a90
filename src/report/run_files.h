// What a run's directory says of it, with what is missing or damaged left out and named.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "report/log_file.h"
#include "report/pictures.h"
#include "report/stats_file.h"

namespace valley::report {

using Fields = std::vector<std::pair<std::string, std::string>>;  // names and values, in order

struct RunFiles {
  std::filesystem::path path;   // as it was named
  std::string name;             // of the directory
  Fields settings;              // "section.key" and its value as TOML, in the file's order
  std::string config;           // config.toml
  std::vector<Fields> starts;   // the records of run.json
  Fields end;                   // exit.json; none while a start goes on, or after a kill
  Fields data;                  // of the data set's manifest, where it is still in its place
  std::vector<LogMessage> log;  // warnings and errors
  Stats stats;
  Pictures pictures;
  std::vector<std::string> notices;  // what is missing or damaged, a sentence each

  // "" when it is not there.
  [[nodiscard]] std::string setting(const std::string& key) const;
  // What its energies are: objective.energy, such as "l2_sum", where the objective reads it; "free
  // energy, nats" of machines; "" of networks that are an energy, and where it is not known.
  [[nodiscard]] std::string energy() const;
};

[[nodiscard]] std::string unquoted(const std::string& toml);  // the text of a TOML string
[[nodiscard]] std::string field(const Fields& fields, const std::string& name);  // or ""

// Error kMissingInput when `path` is no run, saying what it is instead; kData when none of the
// lines of its stats.jsonl can be read.
[[nodiscard]] RunFiles read_run(const std::filesystem::path& path, const PictureLimits& limits);

}  // namespace valley::report
