#include "train/plan_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "objectives/dbn.h"
#include "objectives/ebm.h"
#include "train/flat_optimizer.h"

namespace valley {
namespace {

constexpr std::int64_t kFloat = 4;              // bytes
constexpr std::int64_t kSavedBesides = 131072;  // headers, state.json, COMMIT, partial blocks
// Of the activations that the layers' table counts: autograd's own copies and the backward pass's
// temporaries. Measured on CPU ranks (docs/training.md); an estimate elsewhere.
constexpr double kOverhead = 1.75;

std::int64_t buffer_bytes(const ParameterSet& set) {
  std::int64_t numbers = 0;
  for (const Buffer& b : set.buffers()) numbers += b.value.numel();
  return numbers * kFloat;
}

std::string table(const NamedNetwork& n) {
  std::string text = fmt::format("{}: {} parameters\n", n.name, n.network->parameters().count());
  for (const LayerInfo& layer : n.network->layers()) {
    text += fmt::format("  {:<40} {:<18} {:>12}\n", layer.name, layer.output, layer.parameters);
  }
  return text;
}

}  // namespace

std::string bytes_text(std::int64_t bytes) {
  constexpr double kStep = 1024.0;
  auto value = static_cast<double>(bytes);
  const char* unit = "B";
  for (const char* next : {"KiB", "MiB", "GiB", "TiB", "PiB"}) {
    if (value < kStep) break;
    value /= kStep;
    unit = next;
  }
  return fmt::format("{:.1f} {}", value, unit);
}

std::string as_comments(std::string_view text) {
  std::string all;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    all += line.empty() ? "#\n" : fmt::format("# {}\n", line);
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return all;
}

MemoryPlan plan_memory(const Model& model, const Experiment& experiment) {
  MemoryPlan plan;
  std::int64_t activations = 0;
  const auto moments =
      static_cast<std::int64_t>(moments_of(optimizer_rule(experiment.optimizer)).size());
  for (const NamedNetwork& n : model.networks()) {
    const std::int64_t bytes = n.network->parameters().count() * kFloat;
    const std::int64_t besides = buffer_bytes(n.network->parameters());
    plan.parameters += (2 + moments) * bytes + 2 * besides;  // with values and gradients
    plan.reduced_per_step += bytes;
    plan.checkpoint += (1 + moments) * bytes + besides;  // gradients are not saved
    for (const LayerInfo& layer : n.network->layers()) activations += layer.activations;
    const auto averaged = model.averaged();
    const bool has_average = std::find(averaged.begin(), averaged.end(), n.name) != averaged.end();
    if (has_average && experiment.train.ema_half_life > 0) {
      plan.parameters += bytes + besides;
      plan.checkpoint += bytes + besides;
    }
    if (experiment.train.reproducible) plan.parameters += 2 * bytes;
  }
  const ModelOptions& m = experiment.model;
  plan.replay = replay_bytes(experiment.objective, experiment.train.global_batch,
                             m.resolution * m.resolution * m.channels);
  const std::int64_t chains = chain_bytes(experiment.objective, m, experiment.train.global_batch);
  plan.parameters += chains;
  plan.checkpoint += chains + plan.replay + kSavedBesides;
  plan.per_image = static_cast<std::int64_t>(static_cast<double>(activations * kFloat) * kOverhead);
  return plan;
}

std::string describe_plan(const Model& model, const Experiment& experiment,
                          const MicrobatchPlan& plan, const Dataset& dataset, std::int64_t steps) {
  std::string text;
  for (const NamedNetwork& n : model.networks()) text += table(n) + "\n";
  const MemoryPlan memory = plan_memory(model, experiment);
  const auto batch = static_cast<double>(plan.global_batch);
  const double images = batch * static_cast<double>(steps);
  text += fmt::format("data: {} images of {}x{}x{} in {}\n", dataset.size(), dataset.width(),
                      dataset.height(), dataset.channels(), dataset.directory().string());
  text +=
      fmt::format("length: {} steps of {} images = {:.1f} kimg = {:.2f} epochs\n", steps,
                  plan.global_batch, images / 1000, images / static_cast<double>(dataset.size()));
  text += fmt::format("ranks: {}, each {} microbatch{} of {} images a step\n", plan.ranks,
                      plan.per_rank, plan.per_rank == 1 ? "" : "es", plan.size);
  text += fmt::format("memory a rank: {} for parameters, about {} for activations\n",
                      bytes_text(memory.parameters), bytes_text(memory.per_image * plan.size));
  if (memory.replay > 0) {
    const ObjectiveOptions& o = experiment.objective;
    text += fmt::format(
        "chains: {} Langevin steps for each update, a pass forward and back to the pixels each; "
        "then 2 passes to the weights\n",
        o.langevin_steps);
    text += fmt::format("replay buffer a rank: {}, in checkpoints {}\n",
                        bytes_text(memory.replay / plan.ranks), bytes_text(memory.replay));
  }
  text +=
      fmt::format("reduced a step: {}\n", bytes_text(plan.ranks > 1 ? memory.reduced_per_step : 0));
  return as_comments(text);
}

}  // namespace valley
