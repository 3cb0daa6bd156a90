// `valley doctor`: all checks, alone or on the ranks that a launcher started.
#pragma once

#include <filesystem>
#include <functional>

#include "doctor/report.h"

namespace valley::doctor {

struct DoctorRequest {
  std::filesystem::path data;          // a data set; empty: none
  std::filesystem::path out = "runs";  // the folder of runs
  int ranks = 0;                       // 0: one a GPU, else two where there are two cores
};

// Shows the report; called once, on one process of the job.
using Show = std::function<void(const Report&)>;

// Under a launcher collective: one process a host checks it, the first shows what all found. Never
// hangs: what does not answer is a finding. Returns the exit code; where the ranks did not meet it
// ends the job itself with `abort_job`.
[[nodiscard]] ExitCode examine(const DoctorRequest& request, const Show& show);

// Collective: `valley doctor --probe-ranks`, which check_launch starts. The first rank prints what
// all found.
void answer_probe();

}  // namespace valley::doctor
