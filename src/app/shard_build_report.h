// What `valley shard build` says: progress on stderr, plan and result on stdout.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "app/transient_line.h"
#include "data/builder.h"

namespace valley::app {

class BarProgress {
 public:
  void show(const BuildProgress& progress);

 private:
  TransientLine line_;
};

void show_json_line(const BuildProgress& progress);

void print_plan(const BuildPlan& plan, const BuildOptions& options, bool as_json);
void print_report(const BuildReport& report, const BuildOptions& options, bool as_json);

// A warning that names the classes whose images were all rejected, where there are any.
void warn_of_empty_classes(const BuildReport& report);

[[nodiscard]] std::uint64_t count(const std::map<std::string, std::uint64_t>& rejects);

}  // namespace valley::app
