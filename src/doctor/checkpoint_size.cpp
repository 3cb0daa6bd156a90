#include "doctor/checkpoint_size.h"

#include <algorithm>

#include "experiment/experiment.h"
#include "methods/registry.h"
#include "nn/model.h"

namespace valley::doctor {
namespace {

// Weights, the average of those that have one, and Adam's two moments, four bytes each.
std::uint64_t bytes_of(const Model& model) {
  constexpr std::uint64_t kFloat = 4;
  const std::vector<std::string> averaged = model.averaged();
  std::uint64_t bytes = 0;
  for (const NamedNetwork& n : model.networks()) {
    const bool has_average = std::find(averaged.begin(), averaged.end(), n.name) != averaged.end();
    const auto numbers = static_cast<std::uint64_t>(n.network->parameters().count());
    bytes += kFloat * numbers * (has_average ? 4 : 3);
  }
  return bytes;
}

}  // namespace

CheckpointSize default_checkpoint_size(std::int64_t resolution) {
  Experiment experiment;
  const std::int64_t usual = experiment.model.resolution;
  if (resolution > 0) experiment.model.resolution = resolution;
  try {
    return {experiment.model.resolution, bytes_of(*make_model(experiment.model)),
            experiment.checkpoint.keep};
  } catch (const Error&) {
    experiment.model.resolution = usual;
    return {usual, bytes_of(*make_model(experiment.model)), experiment.checkpoint.keep};
  }
}

}  // namespace valley::doctor
