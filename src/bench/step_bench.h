// Times the training step as `valley train` takes it: the same trainer, plan and loader, over the
// launcher's ranks; nothing is written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "comm/world.h"
#include "experiment/experiment.h"
#include "plan/memory_plan.h"
#include "plan/microbatches.h"
#include "plan/step_cost.h"

namespace valley {

struct StepBenchOptions {
  std::int64_t steps = 20;
  std::int64_t warmup = 5;  // steps before those that are timed
  bool from_data = false;   // images of data.path through the loader, not synthetic ones
  bool exposed = false;     // also take them with and without reductions, in turns
};

struct StepBench {
  MicrobatchPlan plan;
  std::string device;           // "cpu", "NVIDIA H200"
  std::string communicator;     // "mpi", "nccl", "self"
  std::string precision;        // of the config
  int threads = 1;              // of a rank
  std::vector<double> seconds;  // of each step; on a GPU by its own clock
  // Of the host in reductions, a step; on CPU ranks only. Waiting for slower ranks is in it.
  std::optional<double> reducing;
  // Seconds a step by which reductions make it longer, of several pairs of measurements in turns.
  std::vector<double> exposed;
  double waiting = 0;                       // seconds a step for the loader
  std::vector<std::int64_t> peak_resident;  // bytes, by rank
  std::vector<std::int64_t> peak_device;    // bytes of GPU memory, by rank; empty on CPUs
  MemoryPlan planned;                       // what was estimated of a rank
  std::optional<StepCost> cost;             // the mean of the timed steps
  double matrix_flops = 0;  // FLOP/s of a matrix product on all ranks: what the device can do
};

// Collective. `experiment` is resolved; its data.path is opened with options.from_data only. Errors
// as of a training.
[[nodiscard]] StepBench bench_step(World& world, const Experiment& experiment,
                                   const StepBenchOptions& options);

[[nodiscard]] std::string to_json(const StepBench& bench);
[[nodiscard]] std::string to_text(const StepBench& bench);

}  // namespace valley
