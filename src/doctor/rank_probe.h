// What ranks find of each other, and what is made of it.
#pragma once

#include <string>

#include "comm/world.h"
#include "doctor/finding.h"

namespace valley::doctor {

// Collective: where each rank is, whether a sum over all ranks is exact, and how long it takes over
// MPI and, where ranks have GPUs, NCCL. The same line of JSON on every rank; takes about a second.
[[nodiscard]] std::string probe_ranks(World& world);

// Whether `line` is what probe_ranks gave.
[[nodiscard]] bool is_rank_report(const std::string& line);

// Findings from such a line. `expected` ranks were started by `launcher` ("mpirun").
void judge_ranks(const std::string& line, int expected, const std::string& launcher,
                 const Notes& notes);

}  // namespace valley::doctor
