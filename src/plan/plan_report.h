// The plan of a training as text: the tables that --dry-run prints.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "data/dataset.h"
#include "experiment/experiment.h"
#include "plan/run_plan.h"

namespace valley {

// `text` with every line turned into a TOML comment.
[[nodiscard]] std::string as_comments(std::string_view text);

// Networks with shapes and parameter counts, data, microbatches, memory per rank, as TOML comments.
[[nodiscard]] std::string describe_plan(const Model& model, const Experiment& experiment,
                                        const RunPlan& run, const Dataset& dataset,
                                        std::int64_t steps);

}  // namespace valley
