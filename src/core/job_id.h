// Id of this job in its batch system.
#pragma once

#include <string>

namespace valley {

// In the form that the batch system's commands accept: "1234", an array's task "1234_7" (Slurm),
// "1234[7]" (PBS, LSF) or "1234.7" (Grid Engine), a component of a heterogeneous job "1234+1"
// (Slurm). "" outside of jobs.
[[nodiscard]] std::string job_id();

}  // namespace valley
