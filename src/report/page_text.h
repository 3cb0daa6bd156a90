// Text sections of the page as HTML; all text from files is escaped.
#pragma once

#include <string>
#include <vector>

#include "report/run_files.h"

namespace valley::report {

[[nodiscard]] RunState describe_state(const RunFiles& run);

// CSS class of an entry's color.
[[nodiscard]] std::string color_class(std::size_t entry);

// Parts of a page: a section, the name of a run on a page of several runs, and a text that opens.
[[nodiscard]] std::string section(const std::string& id, const std::string& title,
                                  const std::string& body);
[[nodiscard]] std::string heading(const std::vector<RunFiles>& runs, std::size_t number);
[[nodiscard]] std::string details_element(const std::string& title, const std::string& body);

// "12.3 s", "4 min 05 s", "3 h 12 min", "2 d 04 h".
[[nodiscard]] std::string duration_text(double seconds);
// "91.2 %", rounded down.
[[nodiscard]] std::string goodput_text(const Goodput& time);

// One card per entry: its state and the main facts.
[[nodiscard]] std::string run_cards(const std::vector<RunFiles>& entries);
// The last metrics of all entries as one table; "" without a group.
[[nodiscard]] std::string groups_table(const std::vector<RunFiles>& entries);
// Warnings of stats.jsonl and log.txt, and missing or damaged files; "" if there are none.
[[nodiscard]] std::string warnings_section(const std::vector<RunFiles>& runs);
// Where the time of each run went; "" if no run has a time.jsonl.
[[nodiscard]] std::string time_section(const std::vector<RunFiles>& runs);
// Settings that differ (several runs), all settings, and each config.toml.
[[nodiscard]] std::string settings_section(const std::vector<RunFiles>& runs);
// Data and launches of each run, the newest launch first.
[[nodiscard]] std::string launches_section(const std::vector<RunFiles>& runs);

}  // namespace valley::report
