#include "train/step_cost.h"

#include <algorithm>

#include "train/dbn_work.h"
#include "train/flat_optimizer.h"
#include "train/network_work.h"

namespace valley {
namespace {

// Passes of one network for each image of the global batch.
struct Passes {
  double forward = 0;
  double to_inputs = 0;   // gradients of what its layers read
  double to_weights = 0;  // gradients of its parameters
};

NetworkWork work_of(const Network& network, const Passes& p) {
  double multiply_adds = 0;
  double activations = 0;
  for (const LayerInfo& layer : network.layers()) {
    multiply_adds += static_cast<double>(layer.multiply_adds);
    activations += static_cast<double>(layer.activations);
  }
  return {multiply_adds * (p.forward + p.to_inputs + p.to_weights),
          activations * (kForwardTraffic * p.forward + kInputsTraffic * p.to_inputs +
                         kWeightsTraffic * p.to_weights)};
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

// D learns from real and generated images, G through a D that stands still; where both learn the
// one pass over generated images serves them.
PhaseWork adversarial_work(const AutoencoderGan& gan, const Phase& phase) {
  const bool updates_d = contains(phase.updates, "discriminator");
  const bool updates_g = contains(phase.updates, "generator");
  Passes d;
  Passes g;
  if (!updates_d && !updates_g) {
    d = {1, 0, 0};  // MAGAN measures real images
  } else if (phase.name == "pretrain") {
    d = {1, 1, 1};
  } else {
    d = updates_d ? Passes{2, 2, 2} : Passes{1, 1, 0};
    g = updates_g ? Passes{1, 1, 1} : Passes{1, 0, 0};
  }
  return {{"discriminator", work_of(gan.discriminator(), d)},
          {"generator", work_of(gan.generator(), g)}};
}

// Each step of a chain goes forward and back to its image; then real images and chains' ends.
PhaseWork energy_work(const EnergyModel& model, const ObjectiveOptions& objective) {
  const auto both = static_cast<double>(objective.langevin_steps) + 2;
  return {{"energy", work_of(model.energy(), {both, both, 2})}};
}

std::optional<PhaseWork> phase_work(const Model& model, const ObjectiveOptions& objective,
                                    const Phase& phase) {
  if (const auto* gan = dynamic_cast<const AutoencoderGan*>(&model))
    return adversarial_work(*gan, phase);
  if (const auto* energy = dynamic_cast<const EnergyModel*>(&model))
    return energy_work(*energy, objective);
  if (const auto* dbn = dynamic_cast<const DeepBeliefNetwork*>(&model))
    return dbn_work(*dbn, objective, phase);
  return std::nullopt;
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
    const auto work = phase_work(model, experiment.objective, phase);
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
