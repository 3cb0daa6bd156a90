// What training will take, for people: the tables that --dry-run prints.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "data/dataset.h"
#include "experiment/experiment.h"
#include "plan/run_plan.h"

namespace valley {

[[nodiscard]] std::string bytes_text(std::int64_t bytes);  // "21.0 MiB"
// `text` as lines that TOML takes for comments.
[[nodiscard]] std::string as_comments(std::string_view text);

// Networks with shapes and parameter counts, data, microbatches, memory a rank. Comments of TOML.
[[nodiscard]] std::string describe_plan(const Model& model, const Experiment& experiment,
                                        const RunPlan& run, const Dataset& dataset,
                                        std::int64_t steps);

}  // namespace valley
