// Measures the training step of `valley train` with the same trainer, plan and loader, on the ranks
// of a job, without writing files.
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
  std::int64_t warmup = 5;  // untimed steps before them
  bool from_data = false;   // images of data.path through the loader instead of synthetic ones
  bool exposed = false;     // also alternate steps with and without reductions
};

struct StepBench {
  MicrobatchPlan plan;
  std::string device;           // "cpu", "NVIDIA H200"
  std::string communicator;     // "mpi", "nccl", "self"
  std::string precision;        // as in the config
  int threads = 1;              // per rank
  std::vector<double> seconds;  // per step; measured by the GPU itself on GPUs
  // Seconds per step in reductions, including waits for slower ranks; on CPU ranks only.
  std::optional<double> reducing;
  // Exposed seconds of reductions per step, one value per pair of alternating measurements.
  std::vector<double> exposed;
  double waiting = 0;                       // seconds per step for the loader
  std::vector<std::int64_t> peak_resident;  // bytes, by rank
  std::vector<std::int64_t> peak_device;    // bytes of GPU memory, by rank; empty on CPUs
  MemoryPlan planned;                       // estimate per rank
  std::optional<StepCost> cost;             // the mean of the timed steps
  double matrix_flops = 0;                  // FLOP/s of matrix products on all ranks together
};

// Collective. `experiment` must be resolved; data.path is opened with options.from_data only.
// Errors are those of a training.
[[nodiscard]] StepBench bench_step(World& world, const Experiment& experiment,
                                   const StepBenchOptions& options);

[[nodiscard]] std::string to_json(const StepBench& bench);
[[nodiscard]] std::string to_text(const StepBench& bench);

}  // namespace valley
