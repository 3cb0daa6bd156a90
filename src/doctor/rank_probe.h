// Collective measurements of ranks, and findings from them.
#pragma once

#include <string>

#include "comm/world.h"
#include "doctor/finding.h"

namespace valley::doctor {

// Collective: the host and CPUs of each rank, and correctness and time of all-reduce over MPI and,
// with GPUs, over NCCL. Returns the same line of JSON on every rank, after about a second.
[[nodiscard]] std::string probe_ranks(World& world);

// True if `line` is a result of probe_ranks.
[[nodiscard]] bool is_rank_report(const std::string& line);

// Adds findings from a result of probe_ranks, for `expected` ranks started by `launcher`
// ("mpirun").
void judge_ranks(const std::string& line, int expected, const std::string& launcher,
                 const Notes& notes);

}  // namespace valley::doctor
