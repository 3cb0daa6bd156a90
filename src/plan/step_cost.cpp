#include "plan/step_cost.h"

#include <algorithm>

#include "experiment/optimizer_rule.h"

namespace valley {
namespace {

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

// The optimizer reads values, gradients and moments and writes values and moments; an average is
// read and written, and the values read for it.
double parameter_traffic(const Experiment& e, bool is_averaged) {
  const auto moments = static_cast<double>(moments_of(optimizer_rule(e.optimizer)).size());
  return 3 + 2 * moments + (is_averaged && e.train.ema_half_life > 0 ? 3 : 0);
}

std::vector<std::string> phases_of(const Stage& stage) {
  std::vector<std::string> names;
  for (const Phase& phase : stage.phases) names.push_back(phase.name);
  return names;
}

}  // namespace

std::optional<StepCost> step_cost(const Model& model, const Experiment& experiment,
                                  const Stage& stage, int ranks) {
  const auto batch = static_cast<double>(experiment.train.global_batch);
  const auto width = static_cast<double>(c10::elementSize(experiment.compute().type));
  StepCost cost;
  for (const Phase& phase : stage.phases) {
    const auto work = experiment.objective.method().phase_work(experiment.objective, model, phase);
    if (!work) return std::nullopt;
    for (const auto& [name, network] : *work) {
      cost.flops += 2 * batch * network.multiply_adds;
      cost.bytes += width * batch * network.traffic;
    }
    for (const std::string& name : phase.updates) {
      const auto bytes =
          sizeof(float) * static_cast<double>(model.network(name).parameters().count());
      cost.bytes += ranks * bytes * parameter_traffic(experiment, contains(model.averaged(), name));
      cost.gradients += bytes;
    }
  }
  return cost;
}

std::vector<StageCost> stage_costs(const Model& model, const Experiment& experiment, int ranks) {
  std::vector<StageCost> costs;
  std::vector<std::vector<std::string>> known;
  for (const Stage& stage : experiment.stages(1)) {
    const auto found = std::ranges::find(known, phases_of(stage));
    if (found != known.end()) {
      std::string& name = costs[static_cast<std::size_t>(found - known.begin())].stage;
      if (stage.name.size() < name.size()) name = stage.name;
      continue;
    }
    const auto cost = step_cost(model, experiment, stage, ranks);
    if (!cost) return {};
    known.push_back(phases_of(stage));
    costs.push_back({stage.name, *cost});
  }
  return costs;
}

double all_reduce_seconds(double bytes, int ranks, double bus_bandwidth) {
  const double n = ranks;
  return 2 * (n - 1) / n * bytes / bus_bandwidth;
}

}  // namespace valley
