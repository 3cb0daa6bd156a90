// `valley train` on all ranks, from the checks before the launch to the last checkpoint.
#pragma once

#include <filesystem>
#include <string>

#include "comm/world.h"
#include "experiment/experiment.h"
#include "plan/cost_estimate.h"
#include "run/fork.h"

namespace valley {

struct TrainRequest {
  std::string name = "run";  // name of the new run's folder, without its number
  std::filesystem::path out = "runs";
  std::string resume = "none";  // none, auto or a path
  ForkRequest fork;             // weights of a new run
  bool dry_run = false;
  bool json = false;           // the plan of a dry run as JSON
  ReductionQuestion question;  // for the cost estimate of a dry run
  std::string version;         // program version, for run.json and the check that ranks agree
  std::string command;         // as typed, for run.json
};

// Collective. `experiment` is loaded and resolved; `schema` is bound to it. Returns the exit code:
// kDone; kStoppedEarly after a signal, with a checkpoint saved; kDiverged after saving the last
// finite state. Throws Error for all other failures.
int run_training(World& world, const TrainRequest& request, Experiment& experiment, Schema& schema);

}  // namespace valley
