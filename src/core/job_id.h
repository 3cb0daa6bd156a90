// The id that the batch system gave this job.
#pragma once

#include <string>

namespace valley {

// As the batch system's own commands take it: "1234", an array's task "1234_7" (Slurm), "1234[7]"
// (PBS, LSF) or "1234.7" (Grid Engine), a component of a heterogeneous job "1234+1" (Slurm). ""
// outside of jobs.
[[nodiscard]] std::string job_id();

}  // namespace valley
