#include "plan/cost_estimate.h"

#include <algorithm>
#include <array>

namespace valley {
namespace {

// Memory of common GPUs, GB.
constexpr std::array<std::int64_t, 3> kGpuGigabytes = {24, 80, 141};
constexpr int kDefaultQuestionRanks = 8;

double max_gradient_bytes(const std::vector<StageCost>& stages) {
  double max = 0;
  for (const StageCost& s : stages) max = std::max(max, s.cost.gradients);
  return max;
}

ReductionEstimate estimate_reduction(double bytes, int ranks, const ReductionQuestion& question) {
  const int asked = question.ranks > 0 ? question.ranks : ranks > 1 ? ranks : kDefaultQuestionRanks;
  return {asked, bytes, question.bus_bandwidth,
          all_reduce_seconds(bytes, asked, question.bus_bandwidth)};
}

// Max images whose activations fit, with the parameters, into kMemoryShare of a GPU's memory.
std::int64_t images_that_fit(const MemoryPlan& memory, std::int64_t gigabytes) {
  constexpr double kGigabyte = 1e9;
  const auto usable =
      static_cast<std::int64_t>(kMemoryShare * static_cast<double>(gigabytes) * kGigabyte);
  return std::max<std::int64_t>(0, (usable - memory.parameters) / memory.per_image);
}

// One estimate per precision that the model can be trained in.
std::vector<GpuEstimate> estimate_gpus(const Model& model, Experiment experiment,
                                       const MicrobatchPlan& plan) {
  std::vector<GpuEstimate> estimates;
  for (const auto precision : {TrainingPrecision::kFp32, TrainingPrecision::kBf16}) {
    if (experiment.needs_fp32() && precision == TrainingPrecision::kBf16) continue;
    experiment.train.precision = precision;
    const MemoryPlan memory = plan_memory(model, experiment, at::kCUDA);
    GpuEstimate estimate{name_of(precision), peak_bytes(memory, plan), {}};
    for (const std::int64_t gigabytes : kGpuGigabytes)
      estimate.largest_microbatches.push_back({gigabytes, images_that_fit(memory, gigabytes)});
    estimates.push_back(std::move(estimate));
  }
  return estimates;
}

}  // namespace

CostEstimate estimate_cost(const Model& model, const Experiment& experiment, const RunPlan& run,
                           const ReductionQuestion& question) {
  const int ranks = run.shares.ranks;
  CostEstimate estimate;
  estimate.stages = stage_costs(model, experiment, ranks);
  if (!estimate.stages.empty()) {
    const double bytes = max_gradient_bytes(estimate.stages);
    estimate.reduction = estimate_reduction(bytes, ranks, question);
    if (ranks > 1) estimate.reduced_bytes = static_cast<std::int64_t>(bytes);
  }
  estimate.peak_bytes = peak_bytes(run.memory, run.shares);
  estimate.gpus = estimate_gpus(model, experiment, run.shares);
  return estimate;
}

}  // namespace valley
