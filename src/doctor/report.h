// The report of `valley doctor`, for people and for programs.
#pragma once

#include <string>

#include "core/error.h"
#include "doctor/finding.h"

namespace valley::doctor {

struct Report {
  std::string host;
  int ranks = 1;         // that training was found ready for
  bool on_gpus = false;  // a GPU each
  Checkup checkup;
};

// Puts the findings into the order of the groups.
void sort_findings(Checkup& checkup);

// The first failure's code, kDone without one.
[[nodiscard]] ExitCode exit_code(const Checkup& checkup);

// "ready to train on 2 CPU ranks (1 warning)" or "would stop a run: ...".
[[nodiscard]] std::string verdict(const Report& report);

struct TextStyle {
  bool colours = false;
  std::size_t width = 0;  // columns to wrap at; 0: one line a finding, however long
};
[[nodiscard]] std::string to_text(const Report& report, const TextStyle& style);
// docs/doctor.md has every field.
[[nodiscard]] std::string to_json(const Report& report);

}  // namespace valley::doctor
