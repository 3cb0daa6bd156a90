// stats.jsonl: one JSON object per line and report. Each line is appended in one write, or not at
// all. Used on rank 0.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "record/append_file.h"

namespace valley {

// Fields in the order given; numbers with the fewest digits that read back to the same value, null
// if not finite.
using StatsValue = std::variant<std::int64_t, double, std::string>;
using StatsLine = std::vector<std::pair<std::string, StatsValue>>;

class StatsWriter {
 public:
  // Appends to `path`. A resume at `resume_step` first drops the lines of later steps (atomically)
  // and an incomplete last line.
  StatsWriter(std::filesystem::path path, std::int64_t resume_step);
  void write(const StatsLine& line);  // throws Error kCannotWrite or kIo

 private:
  AppendFile file_;
};

[[nodiscard]] std::string format_stats_line(const StatsLine& line);  // ends with a newline

}  // namespace valley
