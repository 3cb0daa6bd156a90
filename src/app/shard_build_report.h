// What `valley shard build` says: progress on stderr, plan and result on stdout.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

#include "data/builder.h"

namespace valley::app {

// On a terminal a line that is redrawn; elsewhere a plain one every ten seconds.
class BarProgress {
 public:
  BarProgress();
  ~BarProgress();
  BarProgress(const BarProgress&) = delete;
  BarProgress& operator=(const BarProgress&) = delete;
  void show(const BuildProgress& progress);

 private:
  bool is_terminal_;
  bool is_open_ = false;
  std::chrono::steady_clock::time_point last_;
};

void show_json_line(const BuildProgress& progress);

void print_plan(const BuildPlan& plan, const BuildOptions& options, bool as_json);
void print_report(const BuildReport& report, const BuildOptions& options, bool as_json);

[[nodiscard]] std::uint64_t count(const std::map<std::string, std::uint64_t>& rejects);

}  // namespace valley::app
