// The checks of `valley doctor`, one function and file per group. They check this host only, and
// can run in a child process (guard.h).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "doctor/finding.h"

namespace valley::doctor {

// Versions of libraries, as built against and as loaded, and libraries that are loaded twice.
void check_libraries(const Notes& notes);
// CUDA, cuDNN and NCCL, a part of check_libraries. In cuda_libraries.cpp or no_cuda.cpp.
void check_cuda_libraries(const Notes& notes);
// Loads the libraries of check_cuda_libraries, with or without a GPU. Adds a finding and returns
// false if that fails or the build has no CUDA.
[[nodiscard]] bool load_cuda_libraries(const Notes& notes);
// Image codecs and the emoji font.
void check_images(const Notes& notes);

// GPUs and their driver, from the facts of cuda_libraries.cpp or no_cuda.cpp.
void check_gpus(const Notes& notes);

// CPUs, memory, limits of this process and its control group, threads, host name and clock.
// `ranks`: number of ranks on this host; `shards`: files that a rank holds open, 0 if unknown.
void check_machine(const Notes& notes, int ranks);
void check_limits(const Notes& notes, int ranks, std::size_t shards);
void check_threads(const Notes& notes, int ranks);

struct OutRequest {
  std::filesystem::path out;         // the folder of runs, which may not exist
  std::int64_t resolution = 0;       // image resolution, to estimate checkpoints; 0: unknown
  bool measure = true;               // also measure its speed
  std::filesystem::path probe_file;  // written and removed; probe_file_in(out)
};
// The folder of runs: permission, space, speed, renames, locks.
void check_out(const Notes& notes, const OutRequest& request);
// `out`, or its nearest ancestor that exists.
[[nodiscard]] std::filesystem::path existing_folder(const std::filesystem::path& out);
[[nodiscard]] std::filesystem::path probe_file_in(const std::filesystem::path& out);

// A data set: readable, its contents, read speed.
void check_data(const Notes& notes, const std::filesystem::path& directory);

// Slurm: resources of the job, and support for launching ranks with srun.
void check_slurm(const Notes& notes);

}  // namespace valley::doctor
