// A model: the networks of one method, with their names in files.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "nn/model_options.h"
#include "nn/network.h"

namespace valley {

// Range of the pixel values of a model's images.
enum class PixelRange { kSymmetric, kUnit };  // [-1, 1], [0, 1]

struct NamedNetwork {
  std::string name;  // the prefix of its tensors in files: "generator"
  Network* network;  // owned by the model
};

class Model {
 public:
  virtual ~Model() = default;
  [[nodiscard]] virtual std::vector<NamedNetwork> networks() const = 0;
  // Networks whose weights are averaged over time (EMA) for samples; "NAME_ema" in files.
  [[nodiscard]] virtual std::vector<std::string> averaged() const = 0;
  // Range of the networks' input images and of generated images.
  [[nodiscard]] virtual PixelRange pixel_range() const { return PixelRange::kSymmetric; }
  // True if a network couples the samples of a microbatch (batch norm).
  [[nodiscard]] virtual bool couples_samples() const { return false; }
  // True if Valley's own kernels compute all convolutions with these options, so that images need
  // no copies in other layouts.
  [[nodiscard]] virtual bool has_own_convs(const ComputeOptions& /*compute*/) const {
    return false;
  }
  // True if Valley's own kernels read nearly all bf16 activations on CPUs, so that no fp32 copies
  // of them are kept.
  [[nodiscard]] virtual bool reads_bf16(const ComputeOptions& /*compute*/) const { return false; }
  [[nodiscard]] Network& network(const std::string& name) const;
  [[nodiscard]] bool has_network(const std::string& name) const;
  void initialize(std::uint64_t seed) const;
  // File that the weights were loaded from, for messages; empty during training.
  [[nodiscard]] const std::string& origin() const { return origin_; }
  void set_origin(std::string file) { origin_ = std::move(file); }

 private:
  std::string origin_;
};

}  // namespace valley
