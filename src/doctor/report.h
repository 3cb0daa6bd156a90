// The report of `valley doctor`, as text and as JSON.
#pragma once

#include <string>

#include "core/error.h"
#include "doctor/finding.h"

namespace valley::doctor {

struct Report {
  std::string host;
  int ranks = 1;         // number of ranks that training can use
  bool on_gpus = false;  // one GPU per rank
  Checkup checkup;
};

// Sorts findings by group.
void sort_findings(Checkup& checkup);

// The first failure's code, kDone without one.
[[nodiscard]] ExitCode exit_code(const Checkup& checkup);

// "ready to train on 2 CPU ranks (1 warning)" or "would stop a run: ...".
[[nodiscard]] std::string verdict(const Report& report);

struct TextStyle {
  bool colors = false;
  std::size_t width = 0;  // columns to wrap at; 0: no wrapping
};
[[nodiscard]] std::string to_text(const Report& report, const TextStyle& style);
// docs/doctor.md describes all fields.
[[nodiscard]] std::string to_json(const Report& report);

}  // namespace valley::doctor
