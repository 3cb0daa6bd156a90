// Ranks of the doctor: launched for the check, or connected if a launcher started this process.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>

#include "comm/world.h"
#include "doctor/finding.h"

namespace valley::doctor {

// Launches `ranks` ranks of this program with mpirun (or with srun in a job without mpirun) and
// checks their report, within rank_start_limit. A missing launcher is a failure if `requested`,
// else a warning.
void check_launch(const Notes& notes, int ranks, bool requested);

// Time limit from launch to report. Ranks on GPUs load the CUDA part of LibTorch and connect over
// NCCL, which can take minutes on a cold file system. `devices`: /dev, or a folder of a test.
[[nodiscard]] std::chrono::seconds rank_start_limit(const std::filesystem::path& devices = "/dev");

// The launcher of this process.
struct LaunchContext {
  LaunchInfo info;              // as understood by this build
  std::string name = "mpirun";  // "mpirun", "srun", "aprun"
  bool by_launcher = false;     // including launchers that this build does not understand
  int local_size = 1;           // ranks on this host, or in the job if unknown
  bool is_first = true;         // the process that prints the report
  bool leads_host = true;       // the process that checks its host
};
[[nodiscard]] LaunchContext detect_launch(const Environment& variable);
[[nodiscard]] LaunchContext detect_launch();

// Runs `action`. After `seconds`, calls `late` from another thread.
void with_deadline(int seconds, const std::function<void()>& late,
                   const std::function<void()>& action);

}  // namespace valley::doctor
