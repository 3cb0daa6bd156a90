// Where a start of `valley train` goes on: a new run, or a checkpoint of an old one. Rank 0 decides
// for all.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "core/config.h"
#include "storage/run_directory.h"

namespace valley {

struct RunChoice {
  std::optional<RunDirectory> run;  // locked, not written to; absent: a new one is to be made
  std::optional<std::filesystem::path> checkpoint;  // to restore; absent: from the first step
};

// What --resume names, absolute, without the slash that tab completion leaves.
[[nodiscard]] std::filesystem::path resume_path(const std::string& resume);

// `resume`: "none", "auto" or the path of a run or a checkpoint. Makes and changes nothing, so that
// a resume that is refused later leaves no trace.
//   none  a new run
//   auto  the newest run under `out` called `name`; if its config differs in more than keys that
//   may
//         change, they are listed (kConfig); a new run where there is none
//   PATH  that run from its newest good checkpoint; a checkpoint that is not its run's
//         newest starts a new run from it
// `check` is called once that is known and before anything is made: with the folder that
// checkpoints will lie in (or one above it) and the checkpoint to restore.
using StartCheck = std::function<void(const std::filesystem::path& folder,
                                      const std::optional<std::filesystem::path>& checkpoint)>;
[[nodiscard]] RunChoice choose_run(const std::string& resume, const std::filesystem::path& out,
                                   const std::string& name, const Schema& schema,
                                   const StartCheck& check);

// Refuses what choose_run would, and a place that cannot be written; makes nothing and takes no
// lock. Says what a start would do.
[[nodiscard]] std::string preview_run(const std::string& resume, const std::filesystem::path& out,
                                      const std::string& name, const Schema& schema,
                                      const StartCheck& check);

}  // namespace valley
