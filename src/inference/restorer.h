// Images put right by a model: unknown pixels found, noise taken away.
//
// To let another kind of model restore in its own way: a Restorer, its name in restore_methods, and
// a case in make_restorer.
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

// What is known of the images. Image i of a batch draws as position + i.
struct RestoreTask {
  at::Tensor damaged;  // float [B, C, H, W] in [0, 1]
  at::Tensor unknown;  // bool [B, 1, H, W]: what `damaged` has there means nothing
  at::Tensor start;    // float [B, C, H, W]: `damaged` with some values for what is unknown
  at::Tensor guess;    // float [B, C, H, W]: `start`, its noise smoothed away
  double noise = 0;    // standard deviation of the noise in known pixels; 0: they are kept exactly
  std::uint64_t seed = 0;
  std::uint64_t position = 0;
  // Is shown the images before the first step (0) and after each.
  std::function<void(std::int64_t steps_done, const at::Tensor& images)> watch{};
};

class Restorer {
 public:
  virtual ~Restorer() = default;

  // float [B, C, H, W] in [0, 1]; pixels that are known without noise are those of task.damaged to
  // the bit.
  [[nodiscard]] virtual at::Tensor restore(const RestoreTask& task) const = 0;
  [[nodiscard]] virtual std::int64_t steps() const = 0;
  // For people: the method and its numbers.
  [[nodiscard]] virtual std::string describe() const = 0;
};

struct RestoreRequest {
  std::string method = "auto";
  bool is_noisy = false;  // whether known pixels are
  ChainRequest chain;
  std::optional<double> weight;  // of what noisy pixels say against what the model says
};

// "auto", "code", "gibbs", "gradient", "langevin", "project"
[[nodiscard]] const std::vector<std::string>& restore_methods();

// `saved` and `energy`, which is its, must outlive what is returned. "auto" is, for a model with an
// autoencoder, "code" or, of noisy images, "project"; "gibbs" for one restricted Boltzmann machine;
// else "gradient". Error kUsage for a method that the model has not, and for settings that the
// method has not.
[[nodiscard]] std::unique_ptr<Restorer> make_restorer(const SavedModel& saved,
                                                      const ImageEnergy& energy,
                                                      const RestoreRequest& request);

}  // namespace valley
