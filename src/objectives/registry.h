// Every objective that objective.name can name, and the keys that they read.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "models/model.h"
#include "objectives/objective.h"

namespace valley {

// The objective.* keys.
struct ObjectiveOptions {
  std::string name = "began";
  double gamma = 0.5;        // BEGAN's diversity ratio: E[L(G(z))] / E[L(x)] that k steers to
  double lambda_k = 1e-3;    // BEGAN's gain of k
  std::int64_t latent = 64;  // numbers the generator draws from; of model.latent
};

// `model` outlives the objective; its parameters are on `device`. Error kConfig for an unknown
// name, options out of range, or a model that does not have the networks that the objective needs.
[[nodiscard]] std::unique_ptr<Objective> make_objective(const ObjectiveOptions& options,
                                                        const Model& model, at::Device device);
[[nodiscard]] std::vector<std::string> objective_names();

}  // namespace valley
