#include "doctor/checkpoint_size.h"

#include <algorithm>

#include "experiment/experiment.h"
#include "methods/registry.h"
#include "nn/model.h"

namespace valley::doctor {
namespace {

// Weights, their averages and the two moments of Adam, four bytes each.
std::uint64_t compute_checkpoint_bytes(const Model& model) {
  constexpr std::uint64_t kFloat = 4;
  const std::vector<std::string> averaged = model.averaged();
  std::uint64_t bytes = 0;
  for (const NamedNetwork& n : model.networks()) {
    const bool has_average = std::find(averaged.begin(), averaged.end(), n.name) != averaged.end();
    const auto count = static_cast<std::uint64_t>(n.network->parameters().count());
    bytes += kFloat * count * (has_average ? 4 : 3);
  }
  return bytes;
}

}  // namespace

CheckpointSize default_checkpoint_size(std::int64_t resolution) {
  Experiment experiment;
  const std::int64_t usual = experiment.model.resolution;
  if (resolution > 0) experiment.model.resolution = resolution;
  try {
    return {experiment.model.resolution, compute_checkpoint_bytes(*make_model(experiment.model)),
            experiment.checkpoint.keep};
  } catch (const Error&) {
    experiment.model.resolution = usual;
    return {usual, compute_checkpoint_bytes(*make_model(experiment.model)),
            experiment.checkpoint.keep};
  }
}

}  // namespace valley::doctor
