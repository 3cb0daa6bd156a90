// Text sections of the page as HTML; all text from files is escaped.
#pragma once

#include <string>
#include <vector>

#include "report/run_files.h"

namespace valley::report {

// End state of a run: {"done", "done"}, {"failed", "failed (70): not finite"}, ...
struct RunState {
  std::string kind;  // "done", "stopped", "failed", or "open" if no end is recorded
  std::string text;
};
[[nodiscard]] RunState describe_state(const RunFiles& run);

// One card per run: its state and the main facts.
[[nodiscard]] std::string run_cards(const std::vector<RunFiles>& runs);
// Warnings of stats.jsonl and log.txt, and missing or damaged files; "" if there are none.
[[nodiscard]] std::string warnings_section(const std::vector<RunFiles>& runs);
// Settings that differ (several runs), all settings, and each config.toml.
[[nodiscard]] std::string settings_section(const std::vector<RunFiles>& runs);
// Data and launches of each run, the newest launch first.
[[nodiscard]] std::string launches_section(const std::vector<RunFiles>& runs);

}  // namespace valley::report
