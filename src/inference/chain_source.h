// Samples of an energy: where Langevin chains end that begin in uniform noise.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "inference/sample_source.h"
#include "inference/saved_model.h"
#include "methods/ebm/energy_model.h"
#include "samplers/langevin.h"

namespace valley {

// The chains that the objective.* keys in a saved energy's metadata describe, of `steps` steps.
// Without it: as many as a chain of training has on average before it begins again,
// langevin_steps / replay_restart; langevin_steps where there was no replay buffer. Error kData
// naming the file and the key for metadata that training did not write; kUsage for more steps than
// chains can take.
[[nodiscard]] LangevinSettings chain_settings(const SavedModel& saved,
                                              std::optional<std::int64_t> steps);

// Sample i begins and moves as Philox streams kSampleLatent and kSampleChain say at position i,
// with key 0. `model` must outlive the source.
[[nodiscard]] std::unique_ptr<SampleSource> make_chain_source(const EnergyModel& model,
                                                              const ModelOptions& options,
                                                              const LangevinSettings& settings,
                                                              at::Device device);

}  // namespace valley
