// Ranks of the doctor's own: started where it was started alone, or met where a launcher did.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>

#include "comm/world.h"
#include "doctor/finding.h"

namespace valley::doctor {

// Starts `ranks` ranks of this program with mpirun (or srun in a job without mpirun) and judges
// what they find, within rank_start_limit. Without a launcher: a failure when `asked_for`, else
// a warning.
void check_launch(const Notes& notes, int ranks, bool asked_for);

// Time that ranks have from their launch to their report. Ranks on GPUs load LibTorch's CUDA half
// and connect over NCCL, which takes minutes on a cold file system. `devices`: /dev, or a test's
// folder.
[[nodiscard]] std::chrono::seconds rank_start_limit(const std::filesystem::path& devices = "/dev");

// How this process was started.
struct Started {
  LaunchInfo info;              // as this build understands the launcher
  std::string name = "mpirun";  // "mpirun", "srun", "aprun"
  bool by_launcher = false;     // also by one that this build does not understand
  int local_size = 1;           // ranks on this host, or of the job where that is not said
  bool is_first = true;         // the one process of the job that speaks
  bool leads_host = true;       // the one of its host that checks it
};
[[nodiscard]] Started how_started(const Environment& variable);
[[nodiscard]] Started how_started();

// Runs `action` and, should it take longer than `seconds`, `late` from another thread meanwhile.
void with_deadline(int seconds, const std::function<void()>& late,
                   const std::function<void()>& action);

}  // namespace valley::doctor
