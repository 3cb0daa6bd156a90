// Samples of an energy: final images of Langevin chains that start from uniform noise.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "inference/sample_source.h"
#include "inference/saved_model.h"
#include "methods/ebm/energy_model.h"
#include "samplers/langevin.h"

namespace valley {

// The chains of training, from the objective.* keys in the metadata of a saved energy, with `steps`
// steps. The default is the mean number of steps before a chain of the replay buffer restarts,
// langevin_steps / replay_restart, or langevin_steps without a replay buffer. Error kData naming
// the file and the key for invalid metadata; kUsage for an invalid number of steps.
[[nodiscard]] LangevinSettings trained_chain_settings(const SavedModel& saved,
                                                      std::optional<std::int64_t> steps);

// Sample i takes its random numbers from Philox streams kSampleLatent (start) and kSampleChain
// (steps) at position i, with key 0. The chains descend E(x), or with `class_of`, for a model with
// classes, E(x, y) of each sample's class. `model` must outlive the source.
[[nodiscard]] std::unique_ptr<SampleSource> make_chain_source(const EnergyModel& model,
                                                              const ModelOptions& options,
                                                              const LangevinSettings& settings,
                                                              at::Device device,
                                                              ClassOfSeed class_of = {});

}  // namespace valley
