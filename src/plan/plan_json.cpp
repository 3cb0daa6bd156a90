#include "plan/plan_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/json_text.h"

namespace valley {
namespace {

bool accepts_auto(const Key& key) {
  return key.type().ends_with(" or \"auto\"") ||
         std::ranges::find(key.choices(), "auto") != key.choices().end();
}

// TOML values written by Schema are also valid JSON; config files are UTF-8.
nlohmann::json value_json(const Key& key) {
  const std::string value = key.value();
  if (accepts_auto(key) && value == "\"auto\"") return nullptr;
  return parse_json(value, key.name());
}

// "a new run in runs" for the line "start: a new run in runs".
std::string text_after_label(const std::string& line) {
  const std::size_t colon = line.find(": ");
  return colon == std::string::npos ? line : line.substr(colon + 2);
}

nlohmann::json config_json(const Schema& schema) {
  nlohmann::json config = nlohmann::json::object();
  for (const Key& key : schema.keys()) config[key.name()] = value_json(key);
  return config;
}

nlohmann::json model_json(const Model& model) {
  nlohmann::json networks = nlohmann::json::object();
  std::int64_t parameters = 0;
  for (const NamedNetwork& n : model.networks()) {
    nlohmann::json layers = nlohmann::json::array();
    for (const LayerInfo& layer : n.network->layers()) {
      layers.push_back(
          {{"name", layer.name}, {"output", layer.output}, {"parameters", layer.parameters}});
    }
    const std::int64_t count = n.network->parameters().count();
    networks[n.name] = {{"layers", std::move(layers)}, {"parameters", count}};
    parameters += count;
  }
  return {{"networks", std::move(networks)}, {"parameters", parameters}};
}

nlohmann::json memory_json(const RunPlan& run, const CostEstimate& cost, std::int64_t available) {
  const MemoryPlan& memory = run.memory;
  return {{"activation_bytes", memory.per_image * run.shares.size},
          {"available_bytes", available},
          {"checkpoint_bytes", memory.checkpoint},
          {"needed_bytes", cost.peak_bytes},
          {"parameter_bytes", memory.parameters},
          {"replay_buffer_bytes", memory.replay / run.shares.ranks}};
}

nlohmann::json reduction_json(const ReductionEstimate& reduction) {
  return {{"bus_bandwidth", reduction.bus_bandwidth},
          {"bytes", static_cast<std::int64_t>(reduction.bytes)},
          {"ranks", reduction.ranks},
          {"seconds", reduction.seconds}};
}

nlohmann::json cost_json(const CostEstimate& cost) {
  nlohmann::json stages = nlohmann::json::array();
  for (const auto& [name, step] : cost.stages)
    stages.push_back({{"bytes", step.bytes}, {"flops", step.flops}, {"stage", name}});
  nlohmann::json gpus = nlohmann::json::array();
  for (const GpuEstimate& gpu : cost.gpus) {
    nlohmann::json microbatches = nlohmann::json::array();
    for (const auto& [gigabytes, images] : gpu.largest_microbatches)
      microbatches.push_back({{"gigabytes", gigabytes}, {"images", images}});
    gpus.push_back({{"largest_microbatches", std::move(microbatches)},
                    {"needed_bytes", gpu.peak_bytes},
                    {"precision", gpu.precision}});
  }
  return {
      {"all_reduce", cost.reduction ? reduction_json(*cost.reduction) : nlohmann::json(nullptr)},
      {"gpus", std::move(gpus)},
      {"reduced_bytes", cost.reduced_bytes},
      {"stages", std::move(stages)}};
}

}  // namespace

std::string write_plan_json(const Schema& schema, const Model& model, const RunPlan& run,
                            const CostEstimate& cost, const Dataset& dataset,
                            const PlanFacts& facts) {
  const PlanDevices& devices = facts.devices;
  const MicrobatchPlan& shares = run.shares;
  const nlohmann::json plan = {{"batch",
                                {{"global_batch", shares.global_batch},
                                 {"microbatch", shares.size},
                                 {"microbatches_per_rank", shares.per_rank}}},
                               {"checkpoints", text_after_label(facts.checkpoints)},
                               {"config", config_json(schema)},
                               {"cost", cost_json(cost)},
                               {"data",
                                {{"channels", dataset.channels()},
                                 {"height", dataset.height()},
                                 {"images", dataset.size()},
                                 {"path", dataset.directory().string()},
                                 {"width", dataset.width()}}},
                               {"devices",
                                {{"hosts", devices.hosts},
                                 {"ranks", devices.ranks},
                                 {"type", devices.type},
                                 {"usable_gpus", devices.usable_gpus}}},
                               {"launch", text_after_label(facts.launch)},
                               {"memory", memory_json(run, cost, facts.memory_per_rank)},
                               {"model", model_json(model)},
                               {"steps", facts.steps},
                               {"warnings", facts.warnings}};
  return write_json(plan, 2);
}

}  // namespace valley
