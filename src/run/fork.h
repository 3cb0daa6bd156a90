// Starts a new run from the weights of another one: `valley train --from`.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "comm/world.h"
#include "train/trainer.h"

namespace valley {

struct ForkRequest {
  std::string from;                   // run, checkpoint or .safetensors file; "": none
  bool with_state = false;            // also optimizer, objective and position
  std::vector<std::string> networks;  // those that are taken; empty: all
};

// The model file of request.from. Errors: kMissingInput, kData as locate_model; kUsage if the state
// is asked of a single file.
[[nodiscard]] std::filesystem::path find_fork_model(const ForkRequest& request);

// Collective: all ranks read `model_file` and take its weights and, if asked, the state beside it.
// Errors as Trainer::adopt and adopt_state.
Trainer::Adopted start_from(World& world, const ForkRequest& request,
                            const std::filesystem::path& model_file, const Schema& schema,
                            Trainer& trainer);

// Logs what was taken, what was initialized anew, and what is unused.
void log_adopted(const Trainer::Adopted& adopted, const std::filesystem::path& model_file);

}  // namespace valley
