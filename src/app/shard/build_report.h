// Progress, plan and result of `valley shard build`.
#pragma once

#include <cstdint>
#include <string>

#include "app/progress.h"
#include "data/builder.h"

namespace valley::app {

class BarProgress {
 public:
  void show(const BuildProgress& progress);

 private:
  TransientLine line_;
};

// Prints one JSON line on stderr.
void show_json_line(const BuildProgress& progress);

[[nodiscard]] std::string plan_to_json(const BuildPlan& plan, const BuildOptions& options);
[[nodiscard]] std::string plan_to_text(const BuildPlan& plan, const BuildOptions& options);
[[nodiscard]] std::string to_json(const BuildReport& report, const BuildOptions& options);
[[nodiscard]] std::string to_text(const BuildReport& report, const BuildOptions& options);

// Logs a warning that names the classes whose images were all rejected, if there are any.
void warn_of_empty_classes(const BuildReport& report);

[[nodiscard]] std::uint64_t count_rejects(const BuildReport& report);

}  // namespace valley::app
