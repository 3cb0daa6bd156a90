// The parts of a page that are text: HTML, with everything that comes from files escaped.
#pragma once

#include <string>
#include <vector>

#include "report/run_files.h"

namespace valley::report {

// Whether a run has ended and how: {"done", "done"}, {"failed", "failed (70): not finite"}, ...
struct RunState {
  std::string kind;  // "done", "stopped", "failed" or "open": no end is on record
  std::string text;
};
[[nodiscard]] RunState state_of(const RunFiles& run);

// A card a run: its state, and the facts that one asks for first.
[[nodiscard]] std::string run_cards(const std::vector<RunFiles>& runs);
// Warnings of the training and of its log, and what is missing of the run's files; "" when there
// is nothing to say.
[[nodiscard]] std::string warnings_section(const std::vector<RunFiles>& runs);
// Of several runs first those that differ; then all, and config.toml itself of a single run.
[[nodiscard]] std::string settings_section(const std::vector<RunFiles>& runs);
// The starts of each run, the newest first.
[[nodiscard]] std::string starts_section(const std::vector<RunFiles>& runs);

}  // namespace valley::report
