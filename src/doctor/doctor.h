// `valley doctor`: all checks, in one process or on the ranks of a job.
#pragma once

#include <filesystem>
#include <functional>

#include "doctor/report.h"

namespace valley::doctor {

struct DoctorRequest {
  std::filesystem::path data;          // a data set; empty: none
  std::filesystem::path out = "runs";  // the folder of runs
  int ranks = 0;                       // 0: one per GPU, or two without GPUs
  bool quick = false;  // only what can break while a job runs; starts no ranks, measures no speed
};

// Prints the report; called once, in one process of the job.
using Show = std::function<void(const Report&)>;

// Collective under a launcher: one process per host checks it, and rank 0 prints the findings of
// all. Never hangs: a timeout is a finding. Returns the exit code. If the ranks cannot connect,
// ends the job with `abort_job`.
[[nodiscard]] ExitCode examine(const DoctorRequest& request, const Show& show);

// Collective: `valley doctor --probe-ranks`, which check_launch starts. Rank 0 prints the report.
void answer_probe();

}  // namespace valley::doctor
