#include "plan/run_plan.h"

#include "core/error.h"
#include "core/log.h"
#include "kernels/device.h"
#include "methods/registry.h"
#include "plan/memory_check.h"

namespace valley {
namespace {

RunPlan plan(World& world, const Experiment& experiment) {
  const TrainOptions& t = experiment.train;
  RunPlan plan{
      plan_microbatches(t.global_batch, t.microbatch, world.size(), t.reproducible),
      plan_memory(*make_meta_model(experiment.model), experiment, world.device().device().type())};
  if (experiment.records_graphs(world.device().device().type()) &&
      !world.device().device().is_cuda()) {
    throw Error(ExitCode::kConfig,
                "performance.cuda_graph is on, but {} computes on the CPU, and CUDA graphs need a "
                "GPU; leave it out",
                this_rank());
  }
  const std::int64_t all = memory_per_rank(world);
  require_parameters_fit(plan.memory, all, world.size());
  const auto budget = static_cast<std::int64_t>(kMemoryShare * static_cast<double>(all));
  if (!t.microbatch) {
    plan.shares =
        fit_to_memory(plan.shares, plan.memory.per_image, budget - plan.memory.parameters);
  }
  for (const auto& warning : {memory_warning(plan.memory, plan.shares, !t.microbatch, budget),
                              experiment.objective.method().warning(
                                  experiment.objective, {name_of(experiment.optimizer.name),
                                                         experiment.optimizer.momentum})})
    if (warning && world.rank() == 0) log::warn("{}", *warning);
  return plan;
}

}  // namespace

TrainingPrecision precision_on(const Experiment& experiment, at::Device device) {
  if (experiment.train.precision != TrainingPrecision::kAuto) return experiment.train.precision;
  return device.is_cuda() && !experiment.needs_fp32() ? TrainingPrecision::kTf32
                                                      : TrainingPrecision::kFp32;
}

int set_arithmetic_of(World& world, const Experiment& experiment) {
  const TrainOptions& t = experiment.train;
  const int threads =
      static_cast<int>(t.threads.value_or(threads_for_rank(world.host().local_size())));
  return set_arithmetic(
      {precision_on(experiment, world.device().device()) == TrainingPrecision::kTf32
           ? Precision::kTf32
           : Precision::kFp32,
       t.reproducible, threads});
}

std::int64_t memory_per_rank(World& world) {
  const DeviceMemory device = device_memory(world.device().device());
  const std::int64_t ranks = world.device().device().is_cuda() ? 1 : world.host().local_size();
  return device.total / ranks;
}

RunPlan plan_run(World& world, const Experiment& experiment) {
  return rank_zero_first(world, [&] { return plan(world, experiment); });
}

}  // namespace valley
