// Text sections of the page as HTML; all text from files is escaped.
#pragma once

#include <string>
#include <vector>

#include "report/run_files.h"

namespace valley::report {

[[nodiscard]] RunState describe_state(const RunFiles& run);

// CSS class of an entry's color.
[[nodiscard]] std::string color_class(std::size_t entry);

// One card per entry: its state and the main facts.
[[nodiscard]] std::string run_cards(const std::vector<RunFiles>& entries);
// The last metrics of all entries as one table; "" without a group.
[[nodiscard]] std::string groups_table(const std::vector<RunFiles>& entries);
// Warnings of stats.jsonl and log.txt, and missing or damaged files; "" if there are none.
[[nodiscard]] std::string warnings_section(const std::vector<RunFiles>& runs);
// Settings that differ (several runs), all settings, and each config.toml.
[[nodiscard]] std::string settings_section(const std::vector<RunFiles>& runs);
// Data and launches of each run, the newest launch first.
[[nodiscard]] std::string launches_section(const std::vector<RunFiles>& runs);

}  // namespace valley::report
