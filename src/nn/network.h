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

// What the passes through a network do besides computing; the trainer says it, layers heed it.
struct PassContext {
  // Whether batch norm takes the moments of the microbatch at hand, or the running ones.
  bool batch_statistics = false;
  // Above 0: each pass adds this share of its moments' differences to the running ones' .grad.
  double statistics_weight = 0;
};

class Network {
 public:
  explicit Network(at::Device device)
      : parameters_(device),
        context_(std::make_shared<PassContext>()),
        compute_(std::make_shared<ComputeOptions>()) {}
  virtual ~Network() = default;
  [[nodiscard]] const ParameterSet& parameters() const { return parameters_; }
  [[nodiscard]] virtual std::vector<LayerInfo> layers()
      const = 0;  // in the order of the forward pass
  [[nodiscard]] PassContext& context() const { return *context_; }     // shared with the layers
  [[nodiscard]] ComputeOptions& compute() const { return *compute_; }  // likewise
  // Sets the derived buffers as parameters and the number of steps done (0: at the start) ask for.
  // Called without gradients, on all ranks alike, after each step.
  virtual void end_step(std::int64_t /*steps_done*/) const {}
  // Between fix_weights(true) and fix_weights(false) parameters do not change and get no gradients:
  // weights that are computed from them are computed once, into tensors that keep their places. One
  // thread at a time.
  virtual void fix_weights(bool /*fixed*/) const {}

 protected:
  ParameterSet parameters_;
  // What is computed with, from what callers have, and back.
  [[nodiscard]] at::Tensor enter(const at::Tensor& x) const { return x.to(compute_->type); }
  [[nodiscard]] static at::Tensor leave(const at::Tensor& y) { return y.to(at::kFloat); }

  std::shared_ptr<PassContext> context_;
  std::shared_ptr<ComputeOptions> compute_;
};

// Images from latent vectors.
class Generator : public Network {
 public:
  using Network::Network;
  // [B, latent] -> [B, C, H, W]
  [[nodiscard]] at::Tensor generate(const at::Tensor& z) const { return leave(forward(enter(z))); }

 protected:
  [[nodiscard]] virtual at::Tensor forward(const at::Tensor& z) const = 0;
};

// Images to images of the same shape, through a code: [B, hidden], or [B, n, h, w].
class Autoencoder : public Network {
 public:
  using Network::Network;
  [[nodiscard]] at::Tensor encode(const at::Tensor& x) const { return leave(code_of(enter(x))); }
  [[nodiscard]] at::Tensor decode(const at::Tensor& h) const { return leave(image_of(enter(h))); }
  [[nodiscard]] at::Tensor reconstruct(const at::Tensor& x) const { return decode(encode(x)); }

 protected:
  [[nodiscard]] virtual at::Tensor code_of(const at::Tensor& x) const = 0;   // of [B, C, H, W]
  [[nodiscard]] virtual at::Tensor image_of(const at::Tensor& h) const = 0;  // to [B, C, H, W]
};

// A number for each image, low where images are likely.
class EnergyNetwork : public Network {
 public:
  using Network::Network;
  // [B, C, H, W] -> [B]
  [[nodiscard]] at::Tensor energy(const at::Tensor& x) const { return leave(forward(enter(x))); }

 protected:
  [[nodiscard]] virtual at::Tensor forward(const at::Tensor& x) const = 0;
};

}  // namespace valley
