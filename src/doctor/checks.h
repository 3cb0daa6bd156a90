// The checks of `valley doctor`, a function each group, each in a file of its own. All look at this
// host only and are safe to run in a process of their own (guard.h).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "doctor/finding.h"

namespace valley::doctor {

// Versions of what is built in and of what is loaded, and that nothing is loaded twice.
void check_libraries(const Notes& notes);
// CUDA, cuDNN and NCCL: a part of check_libraries. cuda_libraries.cpp or no_cuda.cpp.
void check_cuda_libraries(const Notes& notes);
// Loads what check_cuda_libraries looks at, whether there is a GPU or not; false, with a finding,
// where that fails or the build has none.
[[nodiscard]] bool load_cuda_libraries(const Notes& notes);
// Codecs of images and the emoji font.
void check_images(const Notes& notes);

// GPUs and their driver. cuda_libraries.cpp or no_cuda.cpp gives the facts.
void check_gpus(const Notes& notes);

// CPUs, memory, limits of this process and of its control group, threads, name and clock. `ranks`
// is how many of this host share them; `shards` how many files a rank holds open, 0 when unknown.
void check_machine(const Notes& notes, int ranks);
void check_limits(const Notes& notes, int ranks, std::size_t shards);
void check_threads(const Notes& notes, int ranks);

struct OutRequest {
  std::filesystem::path out;         // the folder of runs; need not exist
  std::int64_t resolution = 0;       // of the data, to estimate checkpoints; 0: unknown
  bool measure = true;               // its speed; else only whether it can be written
  std::filesystem::path probe_file;  // what is written and removed: probe_file_in(out)
};
// Where runs would be written: permission, space, speed, renames, locks.
void check_out(const Notes& notes, const OutRequest& request);
// The nearest folder of `out`'s ancestors that exists, `out` itself where it does.
[[nodiscard]] std::filesystem::path existing_folder(const std::filesystem::path& out);
[[nodiscard]] std::filesystem::path probe_file_in(const std::filesystem::path& out);

// A data set: that it opens, what it holds, how fast it is read.
void check_data(const Notes& notes, const std::filesystem::path& directory);

// Slurm: what the job gives, and whether srun can start ranks.
void check_slurm(const Notes& notes);

}  // namespace valley::doctor
