// Networks: named parameters and a forward pass. A network takes and returns float tensors in any
// compute type (ComputeOptions).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "nn/compute.h"
#include "nn/layers.h"
#include "nn/parameters.h"

namespace valley {

// Settings of forward passes that the trainer sets and the layers read.
struct PassContext {
  // True: batch norm uses the moments of the microbatch; false: the running moments.
  bool batch_statistics = false;
  // If above 0, each forward pass adds this factor times (batch moment - running moment) to .grad
  // of the running moments.
  double statistics_weight = 0;
};

class Network {
 public:
  // `labels`: number of classes that the passes are conditioned on; 0: none.
  explicit Network(at::Device device, std::int64_t labels = 0)
      : parameters_(device),
        labels_(labels),
        context_(std::make_shared<PassContext>()),
        compute_(std::make_shared<ComputeOptions>()) {}
  virtual ~Network() = default;
  [[nodiscard]] const ParameterSet& parameters() const { return parameters_; }
  [[nodiscard]] std::int64_t labels() const { return labels_; }  // classes; 0: unconditional
  [[nodiscard]] virtual std::vector<LayerInfo> layers()
      const = 0;  // in the order of the forward pass
  [[nodiscard]] PassContext& context() const { return *context_; }     // shared with the layers
  [[nodiscard]] ComputeOptions& compute() const { return *compute_; }  // shared with the layers
  // Updates the derived buffers from the parameters and the number of completed steps (0: before
  // the first). Called without gradients after each step, on all ranks.
  virtual void end_step(std::int64_t /*steps_done*/) const {}
  // Between fix_weights(true) and fix_weights(false) parameters do not change and get no gradients,
  // so weights derived from them are computed once, into tensors with fixed addresses. Not
  // thread-safe.
  virtual void fix_weights(bool /*fixed*/) const {}

 protected:
  ParameterSet parameters_;
  // Labels as weights of the classes, float [B, labels()]; undefined if labels() is 0. `labels`:
  // int64 [B], or such weights.
  [[nodiscard]] at::Tensor class_weights(const at::Tensor& labels) const;
  // Convert the caller's float to the compute type and back.
  [[nodiscard]] at::Tensor enter(const at::Tensor& x) const { return x.to(compute_->type); }
  [[nodiscard]] static at::Tensor leave(const at::Tensor& y) { return y.to(at::kFloat); }

  std::int64_t labels_;
  std::shared_ptr<PassContext> context_;
  std::shared_ptr<ComputeOptions> compute_;
};

// The `labels` of a pass through a conditional network: the class of each sample, int64 [B] in
// [0, labels()), or float [B, labels()] with a weight per class, of sum 1: a mixture of classes,
// whose embedding is the mean of theirs. Undefined exactly if labels() is 0.

// Maps latent vectors, and classes if it is conditional, to images.
class Generator : public Network {
 public:
  using Network::Network;
  // [B, latent] -> [B, C, H, W]
  [[nodiscard]] at::Tensor generate(const at::Tensor& z, const at::Tensor& labels = {}) const {
    return leave(forward(enter(z), class_weights(labels)));
  }

 protected:
  // classes: class_weights(labels)
  [[nodiscard]] virtual at::Tensor forward(const at::Tensor& z,
                                           const at::Tensor& classes) const = 0;
};

// Maps images to images of the same shape through a code, [B, hidden] or [B, n, h, w]. If it is
// conditional, the encoder and the decoder both read the class.
class Autoencoder : public Network {
 public:
  using Network::Network;
  [[nodiscard]] at::Tensor encode(const at::Tensor& x, const at::Tensor& labels = {}) const {
    return leave(code_of(enter(x), class_weights(labels)));
  }
  [[nodiscard]] at::Tensor decode(const at::Tensor& h, const at::Tensor& labels = {}) const {
    return leave(image_of(enter(h), class_weights(labels)));
  }
  [[nodiscard]] at::Tensor reconstruct(const at::Tensor& x, const at::Tensor& labels = {}) const {
    return decode(encode(x, labels), labels);
  }

 protected:
  // x: [B, C, H, W]; classes: class_weights(labels)
  [[nodiscard]] virtual at::Tensor code_of(const at::Tensor& x,
                                           const at::Tensor& classes) const = 0;
  // returns [B, C, H, W]
  [[nodiscard]] virtual at::Tensor image_of(const at::Tensor& h,
                                            const at::Tensor& classes) const = 0;
};

// E(x) = -log sum_y exp(-E(x, y)): float [B, labels] -> [B].
[[nodiscard]] at::Tensor marginal_energy(const at::Tensor& class_energies);

// Maps each image to its energy E(x), which is low for likely images. With classes it has energies
// E(x, y) of an image and a class, and E(x) is their marginal energy.
class EnergyNetwork : public Network {
 public:
  using Network::Network;
  // [B, C, H, W] -> [B]
  [[nodiscard]] at::Tensor energy(const at::Tensor& x) const {
    return labels() > 0 ? marginal_energy(class_energies(x)) : leave(forward(enter(x)));
  }
  // [B, C, H, W] -> [B, labels()]: E(x, y), for a network with classes
  [[nodiscard]] at::Tensor class_energies(const at::Tensor& x) const {
    return leave(forward(enter(x)));
  }

 protected:
  // Returns [B], or [B, labels()] if there are classes.
  [[nodiscard]] virtual at::Tensor forward(const at::Tensor& x) const = 0;
};

}  // namespace valley
