// `valley train`, from an experiment to its last checkpoint: the order of things on all ranks.
#pragma once

#include <filesystem>
#include <string>

#include "comm/world.h"
#include "experiment/experiment.h"
#include "plan/cost_estimate.h"

namespace valley {

struct TrainRequest {
  std::string name = "run";  // of a new run's folder
  std::filesystem::path out = "runs";
  std::string resume = "none";  // none, auto or a path
  bool dry_run = false;
  bool json = false;           // the plan of a dry run as JSON
  ReductionQuestion question;  // of the dry run
  std::string version;         // of the program, for run.json and the agreement of ranks
  std::string command;         // as typed, for run.json
};

// Collective. `experiment` is loaded and resolved, `schema` bound to it. Returns an exit code:
// kDone, or kStoppedEarly after a signal (with a checkpoint). Throws Error otherwise; kDiverged
// after saving the last finite state.
int run_training(World& world, const TrainRequest& request, Experiment& experiment, Schema& schema);

}  // namespace valley
