// Small networks for unit tests of objectives, and their gradients after one microbatch of a phase.
#pragma once

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "core/error.h"
#include "kernels/device.h"
#include "methods/adversarial/autoencoder_gan.h"
#include "methods/registry.h"

namespace valley::testing {

inline const Phase kDiscriminatorPhase{"D", {"discriminator"}};
inline const Phase kGeneratorPhase{"G", {"generator"}};

class SmallGan : public ::testing::Test {
 protected:
  static constexpr std::int64_t kBatch = 4;

  SmallGan() {
    set_arithmetic({Precision::kFp32, true, 1});  // one thread is fastest at this size
    model_options_.resolution = 32;
    model_options_.width = 4;
    model_options_.latent = 6;
    model_options_.hidden = 6;
    model_ = make_model(model_options_);
    model_->initialize(5);
    images_ =
        at::rand({kBatch, 3, 32, 32}).mul(2).sub(1).contiguous(at::MemoryFormat::ChannelsLast);
  }

  [[nodiscard]] ObjectiveSetting setting() const {
    ObjectiveSetting setting(at::kCPU, latent_draw(model_options_));
    setting.resolution = model_options_.resolution;
    setting.microbatch_size = kBatch;
    return setting;
  }
  [[nodiscard]] const AutoencoderGan& gan() const {
    return dynamic_cast<const AutoencoderGan&>(*model_);
  }
  [[nodiscard]] Microbatch microbatch() const {
    return {images_, {1, at::zeros({}, at::kLong), 0, kBatch, 1.0}};
  }
  // Images generated from this microbatch's latents of `stream`.
  [[nodiscard]] at::Tensor generated(RandomStream stream) const {
    return gan().generator().generate(microbatch().latents(stream, setting().latent));
  }

  // Zeroes all gradients and enables them for the networks in `updates` only.
  void prepare(const std::vector<std::string>& updates) const {
    for (const NamedNetwork& n : model_->networks()) {
      n.network->parameters().require_grad(std::ranges::count(updates, n.name) > 0);
      for (const Parameter& p : n.network->parameters().all()) {
        at::Tensor value = p.value;
        value.mutable_grad() = at::zeros_like(value);
      }
    }
  }
  // All gradients of a network in one flat tensor.
  [[nodiscard]] at::Tensor gradient_of(const std::string& network) const {
    std::vector<at::Tensor> parts;
    for (const Parameter& p : model_->network(network).parameters().all())
      parts.push_back(p.value.grad().reshape({-1}));
    return at::cat(parts);
  }

  struct Pass {
    at::Tensor discriminator, generator;  // gradients
    std::map<std::string, double> sums;
  };
  [[nodiscard]] Pass run(Objective& objective, const Phase& phase) const {
    return run(objective, phase, microbatch());
  }
  [[nodiscard]] Pass run(Objective& objective, const Phase& phase, const Microbatch& given) const {
    prepare(phase.updates);
    const std::vector<std::string> names = objective.sums_of(phase);
    const at::Tensor sums = at::zeros({static_cast<std::int64_t>(names.size())});
    objective.accumulate_gradients(phase, given, sums);
    Pass pass{gradient_of("discriminator"), gradient_of("generator"), {}};
    for (std::size_t i = 0; i < names.size(); ++i)
      pass.sums[names[i]] = sums[static_cast<std::int64_t>(i)].item<double>();
    return pass;
  }
  // The gradient of a reference loss for a network.
  template <typename Loss>
  [[nodiscard]] at::Tensor reference(const std::string& network, const Loss& loss) const {
    prepare({network});
    loss().backward();
    return gradient_of(network);
  }

  static double reported(const Objective& objective, const std::string& name) {
    for (const ReportValue& v : objective.report()) {
      if (v.name == name) return v.value.item<double>();
    }
    ADD_FAILURE() << "nothing reported as " << name;
    return 0;
  }
  // The error message for rejected options; "" if they are accepted.
  [[nodiscard]] std::string rejection(const ObjectiveOptions& options,
                                      const ObjectiveSetting& where) const {
    try {
      static_cast<void>(make_objective(options, *model_, where));
      return "";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::kConfig);
      return e.what();
    }
  }
  [[nodiscard]] std::string rejection(const ObjectiveOptions& options) const {
    return rejection(options, setting());
  }

  ModelOptions model_options_;
  std::unique_ptr<Model> model_;
  at::Tensor images_;
};

inline bool near(const at::Tensor& got, const at::Tensor& expected) {
  const double scale = expected.abs().max().item<double>();
  return (got - expected).abs().max().item<double>() <= 1e-4 * scale + 1e-9;
}

}  // namespace valley::testing
