// Chooses the run of `valley train`: a new run, or an existing one from its checkpoint. Rank 0
// chooses for all ranks.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "core/config.h"
#include "run/fork.h"
#include "storage/run_directory.h"

namespace valley {

struct RunChoice {
  std::optional<RunDirectory> run;  // locked, not written to; absent: create a new run
  std::optional<std::filesystem::path> checkpoint;  // to restore; absent: begin at the first step
  std::filesystem::path model;                      // a new run starts from it; empty: none
};

// The options of `valley train` that choose the run.
struct StartRequest {
  std::string resume = "none";
  std::filesystem::path out;
  std::string name;
  ForkRequest fork;
  // Only checkpoints of later steps are considered for a run that continues; none is needed if this
  // is not negative.
  std::int64_t newer_than = -1;
};

// The run that `request` continues, if its newest state is wanted, not that of a named checkpoint.
[[nodiscard]] std::optional<std::filesystem::path> find_continued_run(const StartRequest& request);

// The path given by --resume as an absolute path without a trailing slash.
[[nodiscard]] std::filesystem::path resume_path(const std::string& resume);

// request.resume: "none", "auto" or the path of a run or a checkpoint. Creates and changes nothing,
// so that a launch that is rejected later leaves no files.
//   none  a new run
//   auto  the newest run under `out` called `name`, or a new run if there is none. Error kConfig
//         with a list of the keys if its config differs in keys that may not change
//   PATH  that run from its newest good checkpoint; a checkpoint that is not the newest of its run
//         starts a new run
// A new run starts from the weights of request.fork, if there are any; with "auto" and a run that
// continues they are ignored. Error kUsage with a path, which has weights of its own.
// `check` is called with the folder of the checkpoints (or one above it) and the checkpoint to
// restore, before anything is created.
using LaunchCheck = std::function<void(const std::filesystem::path& folder,
                                       const std::optional<std::filesystem::path>& checkpoint)>;
[[nodiscard]] RunChoice choose_run(const StartRequest& request, const Schema& schema,
                                   const LaunchCheck& check);

// Describes the launch in one line. Rejects what choose_run would reject, and a run directory that
// cannot be written; creates nothing and takes no lock.
[[nodiscard]] std::string preview_run(const StartRequest& request, const Schema& schema,
                                      const LaunchCheck& check);

}  // namespace valley
