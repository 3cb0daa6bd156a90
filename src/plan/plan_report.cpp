#include "plan/plan_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/text.h"

namespace valley {
namespace {

std::string table(const NamedNetwork& n) {
  std::string text = fmt::format("{}: {} parameters\n", n.name, n.network->parameters().count());
  for (const LayerInfo& layer : n.network->layers()) {
    text += fmt::format("  {:<40} {:<18} {:>12}\n", layer.name, layer.output, layer.parameters);
  }
  return text;
}

}  // namespace

std::string as_comments(std::string_view text) {
  std::string all;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    all += line.empty() ? "#\n" : fmt::format("# {}\n", line);
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return all;
}

std::string describe_plan(const Model& model, const Experiment& experiment, const RunPlan& run,
                          const Dataset& dataset, std::int64_t steps) {
  const auto& [plan, memory] = run;
  std::string text;
  for (const NamedNetwork& n : model.networks()) text += table(n) + "\n";
  const auto batch = static_cast<double>(plan.global_batch);
  const double images = batch * static_cast<double>(steps);
  text += fmt::format("data: {} images of {}x{}x{} in {}\n", dataset.size(), dataset.width(),
                      dataset.height(), dataset.channels(), dataset.directory().string());
  text +=
      fmt::format("length: {} steps of {} images = {:.1f} kimg = {:.2f} epochs\n", steps,
                  plan.global_batch, images / 1000, images / static_cast<double>(dataset.size()));
  text += fmt::format("ranks: {}, each {} microbatch{} of {} images per step\n", plan.ranks,
                      plan.per_rank, plan.per_rank == 1 ? "" : "es", plan.size);
  text += fmt::format("memory per rank: {} for parameters, about {} for activations\n",
                      format_bytes(memory.parameters), format_bytes(memory.per_image * plan.size));
  for (const std::string& line : experiment.objective.method().plan_lines(experiment.objective))
    text += line + "\n";
  if (memory.replay > 0) {
    text += fmt::format("replay buffer per rank: {}, in checkpoints {}\n",
                        format_bytes(memory.replay / plan.ranks), format_bytes(memory.replay));
  }
  return as_comments(text);
}

}  // namespace valley
