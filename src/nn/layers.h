// Layers: each holds handles to its parameters and computes a forward pass; autograd differentiates
// it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "kernels/product_type.h"
#include "nn/parameters.h"

namespace valley {

// Output shape and cost of a layer, for tables and estimates.
struct LayerInfo {
  std::string name;
  std::string output;  // "[128, 64, 64]"
  std::int64_t parameters = 0;
  std::int64_t activations = 0;    // output elements per sample, with intermediate ones
  std::int64_t multiply_adds = 0;  // per sample, forward
  // Activations that no backward pass reads, and those that are not stored if
  // ComputeOptions::folded_upsampling merges the layer into the next conv.
  std::int64_t passing = 0;
  std::int64_t folded = 0;
};

// Activation after a layer. In place: overwrites the layer's output.
enum class Activation { kNone, kElu, kRelu, kLeakyRelu, kTanh, kSigmoid };
inline constexpr double kLeak = 0.2;  // negative slope of leaky ReLU
// ELU with alpha 1.
[[nodiscard]] at::Tensor activate(const at::Tensor& x, Activation activation);
// Factor of negative values: kNone 1, kRelu 0, kLeakyRelu kLeak; nullopt for others.
[[nodiscard]] std::optional<double> leak_factor(Activation activation);
[[nodiscard]] std::string activation_name(Activation activation);  // "leaky relu"; kNone: ""
// The activation that model.output names: "linear", "tanh" or "sigmoid".
[[nodiscard]] Activation output_activation(const std::string& output);

// A square kernel over square maps. Transposed: the map grows by the factor `stride`.
struct ConvShape {
  std::int64_t in = 1;
  std::int64_t out = 1;
  std::int64_t kernel = 3;
  std::int64_t stride = 1;
  std::int64_t padding = 1;
  bool transposed = false;

  [[nodiscard]] std::int64_t output_size(std::int64_t input_size) const;
  // Products per output away from the borders: in * kernel^2, fewer for transposed kernels with a
  // stride.
  [[nodiscard]] std::int64_t fan_in() const;
};

// The bias, if any, starts at zero. Layers multiply in the type of their input.
class Conv2d {
 public:
  Conv2d(ParameterSet& set, const std::string& name, const ConvShape& shape,
         const Initializer& initializer, bool has_bias = true);
  // [B, in, H, W] -> [B, out, H', W'], H' = shape().output_size(H)
  [[nodiscard]] at::Tensor operator()(const at::Tensor& x) const {
    return apply(x, in_type(weight_, *bf16_copy_, kernels::product_type(x)));
  }
  [[nodiscard]] at::Tensor apply(const at::Tensor& x, const at::Tensor& weight) const;
  [[nodiscard]] const ConvShape& shape() const { return shape_; }
  [[nodiscard]] const at::Tensor& weight() const { return weight_; }
  [[nodiscard]] const at::Tensor& bias() const { return bias_; }
  [[nodiscard]] const at::Tensor& bf16_copy() const { return *bf16_copy_; }  // see Parameter
  // Appends `note` to the layer's description.
  [[nodiscard]] LayerInfo info(std::int64_t out_size, const std::string& note = "") const;

 private:
  [[nodiscard]] at::Tensor unfold(const at::Tensor& x, const at::Tensor& weight,
                                  const at::Tensor& bias) const;

  std::string name_;
  ConvShape shape_;
  at::Tensor weight_;  // [out, in, k, k]; transposed: [in, out, k, k]
  std::shared_ptr<const at::Tensor> bf16_copy_;
  at::Tensor bias_;  // [out], or undefined
  std::shared_ptr<const at::Tensor> bias_bf16_;
};

// 3x3 conv with padding 1, Xavier-uniform weights and zero bias.
[[nodiscard]] Conv2d conv3x3(ParameterSet& set, const std::string& name, std::int64_t in,
                             std::int64_t out, std::int64_t stride = 1);

// Zero bias; Xavier-uniform weights unless `initializer` is given.
class Linear {
 public:
  Linear(ParameterSet& set, const std::string& name, std::int64_t in, std::int64_t out);
  Linear(ParameterSet& set, const std::string& name, std::int64_t in, std::int64_t out,
         const Initializer& initializer);
  [[nodiscard]] at::Tensor operator()(const at::Tensor& x) const;  // [B, in] -> [B, out]
  [[nodiscard]] LayerInfo info(Activation activation = Activation::kNone) const;

 private:
  std::string name_;
  at::Tensor weight_;  // [out, in]
  std::shared_ptr<const at::Tensor> bf16_copy_;
  at::Tensor bias_;  // [out]
  std::shared_ptr<const at::Tensor> bias_bf16_;
};

[[nodiscard]] at::Tensor upsample_nearest(const at::Tensor& x,
                                          std::int64_t factor);  // [B, C, H, W] -> [B, C, fH, fW]

}  // namespace valley
