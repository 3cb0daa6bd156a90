// Saved models whose networks are so simple that every result has a closed form.
#pragma once

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "core/error.h"
#include "inference/restorer.h"
#include "inference/saved_model.h"
#include "methods/adversarial/autoencoder_gan.h"
#include "methods/ebm/energy_model.h"
#include "methods/registry.h"

namespace valley::testing {

inline constexpr std::int64_t kToySide = 4;
inline constexpr std::int64_t kToyDbnSide = 16;  // of toy_dbn

// E(x) = weight * sum (x - 0.5)^2, with gradient 2 * weight * (x - 0.5).
class QuadraticEnergy final : public EnergyNetwork {
 public:
  explicit QuadraticEnergy(double weight) : EnergyNetwork(at::kCPU), weight_(weight) {}
  [[nodiscard]] std::vector<LayerInfo> layers() const override { return {}; }

 private:
  [[nodiscard]] at::Tensor forward(const at::Tensor& x) const override {
    return (x - 0.5).square().flatten(1).sum(1) * weight_;
  }
  double weight_;
};

// The code of an image is its mean; a decoded image has that value in all pixels.
class MeanAutoencoder final : public Autoencoder {
 public:
  MeanAutoencoder() : Autoencoder(at::kCPU) {}
  [[nodiscard]] std::vector<LayerInfo> layers() const override { return {}; }

 private:
  [[nodiscard]] at::Tensor code_of(const at::Tensor& x,
                                   const at::Tensor& /*classes*/) const override {
    return x.flatten(1).mean(1, true);
  }
  [[nodiscard]] at::Tensor image_of(const at::Tensor& h,
                                    const at::Tensor& /*classes*/) const override {
    return h.view({-1, 1, 1, 1}).expand({h.size(0), 1, kToySide, kToySide});
  }
};

// All pixels are 1 if the first latent is positive, else 0.
class SignGenerator final : public Generator {
 public:
  SignGenerator() : Generator(at::kCPU) {}
  [[nodiscard]] std::vector<LayerInfo> layers() const override { return {}; }

 private:
  [[nodiscard]] at::Tensor forward(const at::Tensor& z,
                                   const at::Tensor& /*classes*/) const override {
    return (z.narrow(1, 0, 1) > 0)
        .to(at::kFloat)
        .view({-1, 1, 1, 1})
        .expand({z.size(0), 1, kToySide, kToySide})
        .contiguous();
  }
};

inline SavedModel toy_model(const std::string& name) {
  SavedModel saved;
  saved.file = "toy.safetensors";
  saved.options.name = name;
  saved.options.resolution = kToySide;
  saved.options.channels = 1;
  saved.options.latent = 2;
  saved.options.output = "sigmoid";  // images in [0, 1]
  return saved;
}

inline SavedModel toy_ebm(double weight = 1) {
  SavedModel saved = toy_model("ebm");
  saved.model = std::make_unique<EnergyModel>(std::make_unique<QuadraticEnergy>(weight));
  saved.metadata = {{"objective.langevin_steps", "10"},    {"objective.langevin_step_size", "0.1"},
                    {"objective.langevin_noise", "0"},     {"objective.langevin_clamp", "0"},
                    {"objective.temperature", "\"auto\""}, {"objective.replay_size", "0"},
                    {"objective.replay_restart", "0.05"}};
  return saved;
}

inline SavedModel toy_gan(const std::string& energy = "mse") {
  SavedModel saved = toy_model("ebgan");
  saved.model = std::make_unique<AutoencoderGan>(std::make_unique<SignGenerator>(),
                                                 std::make_unique<MeanAutoencoder>(), saved.options,
                                                 GanConvs::k4x4);
  saved.metadata = {{"objective.energy", "\"" + energy + "\""}};
  return saved;
}

inline SavedModel toy_dbn(std::vector<std::int64_t> layers, std::int64_t labels = 0,
                          const std::string& units = "bernoulli") {
  SavedModel saved = toy_model("dbn");
  saved.options.resolution = kToyDbnSide;
  saved.options.output = "linear";
  saved.options.layers = std::move(layers);
  saved.options.labels = labels;
  saved.options.label_units = labels > 0;
  saved.options.visible_units = units;
  saved.model = make_model(saved.options);
  saved.model->initialize(0);
  return saved;
}

// One image of value `damaged`, with the first row unknown and filled with `guess`.
inline RestoreTask first_row_unknown(double damaged, double guess) {
  RestoreTask task;
  task.damaged = at::full({1, 1, kToySide, kToySide}, damaged);
  task.unknown = at::zeros({1, 1, kToySide, kToySide}, at::kBool);
  task.unknown.select(2, 0).fill_(true);
  task.start = at::where(task.unknown, at::full({}, guess, at::kFloat), task.damaged);
  task.guess = task.start;
  return task;
}

// The message of the Error that `call` throws, which must have `code`.
template <typename Call>
std::string message_of(ExitCode code, const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

}  // namespace valley::testing
