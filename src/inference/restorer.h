// Restoration of images by a model: filling in unknown pixels and removing noise.
//
// To add a method: implement Restorer, add its name to restore_methods and a case to make_restorer.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "inference/energy_chains.h"
#include "inference/image_energy.h"
#include "inference/saved_model.h"

namespace valley {

// The latent vectors that method "latent" found, one per image.
struct LatentFit {
  at::Tensor latents;                // float [B, latent]
  at::Tensor images;                 // float [B, C, H, W] in [0, 1], generated from them
  std::vector<std::int64_t> steps;   // taken, over all starts
  std::vector<std::int64_t> starts;  // initial latents that were tried
};

// A batch of damaged images. Image i takes its random numbers at position + i.
struct RestoreTask {
  at::Tensor damaged;  // float [B, C, H, W] in [0, 1]
  at::Tensor unknown;  // bool [B, 1, H, W]: pixels of `damaged` to ignore
  at::Tensor start;    // float [B, C, H, W]: `damaged` with unknown pixels filled in
  at::Tensor guess;    // float [B, C, H, W]: `start` without its noise
  double noise = 0;    // standard deviation of the noise in known pixels; 0: they are exact
  std::uint64_t seed = 0;
  std::uint64_t position = 0;
  // Called with the images before the first step (0) and after each step.
  std::function<void(std::int64_t steps_done, const at::Tensor& images)> watch{};
  std::function<void(const LatentFit& fit)> found{};  // called at the end by method "latent"
};

class Restorer {
 public:
  virtual ~Restorer() = default;

  // float [B, C, H, W] in [0, 1]; known pixels without noise are bitwise equal to task.damaged,
  // unless the request has `is_intact`.
  [[nodiscard]] virtual at::Tensor restore(const RestoreTask& task) const = 0;
  [[nodiscard]] virtual std::int64_t steps() const = 0;
  // The method and its settings, for reports.
  [[nodiscard]] virtual std::string describe() const = 0;
};

struct RestoreRequest {
  std::string method = "auto";
  bool is_noisy = false;  // known pixels have noise
  ChainRequest chain;
  std::optional<double> weight;  // weight of noisy pixels relative to the model
  // Nothing is unknown or noisy: method "latent" returns the generated image, others have nothing
  // to do.
  bool is_intact = false;
  std::optional<std::int64_t> restarts;  // further initial latents of method "latent"
};

// "auto", "code", "gibbs", "gradient", "langevin", "latent", "min-sum", "project"
[[nodiscard]] const std::vector<std::string>& restore_methods();

// `saved` and its `energy` must outlive the result. "auto" is "gibbs" for a single restricted
// Boltzmann machine, "code" for a model with an autoencoder ("project" for noisy images), else
// "gradient". Error kUsage for a method that the model does not have, and for settings that the
// method does not have.
[[nodiscard]] std::unique_ptr<Restorer> make_restorer(const SavedModel& saved,
                                                      const ImageEnergy& energy,
                                                      const RestoreRequest& request);

}  // namespace valley
