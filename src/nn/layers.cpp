#include "nn/layers.h"

#include <ATen/ops/conv2d.h>
#include <ATen/ops/conv_transpose2d.h>
#include <ATen/ops/elu.h>
#include <ATen/ops/leaky_relu.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/upsample_nearest2d.h>
#include <fmt/core.h>

#include <algorithm>
#include <stdexcept>

namespace valley {
namespace {

std::string after_space(const std::string& text) { return text.empty() ? "" : " " + text; }

}  // namespace

at::Tensor activate(const at::Tensor& x, Activation activation) {
  at::Tensor y = x;
  switch (activation) {
    case Activation::kElu:
      return at::elu_(y);
    case Activation::kRelu:
      return at::relu_(y);
    case Activation::kLeakyRelu:
      return at::leaky_relu_(y, kLeak);
    case Activation::kTanh:
      return at::tanh_(y);
    case Activation::kSigmoid:
      return at::sigmoid_(y);
    case Activation::kNone:
      break;
  }
  return y;
}

std::optional<double> leak_factor(Activation activation) {
  if (activation == Activation::kNone) return 1;
  if (activation == Activation::kRelu) return 0;
  if (activation == Activation::kLeakyRelu) return kLeak;
  return std::nullopt;
}

std::string activation_name(Activation activation) {
  switch (activation) {
    case Activation::kElu:
      return "elu";
    case Activation::kRelu:
      return "relu";
    case Activation::kLeakyRelu:
      return "leaky relu";
    case Activation::kTanh:
      return "tanh";
    case Activation::kSigmoid:
      return "sigmoid";
    case Activation::kNone:
      break;
  }
  return "";
}

Activation output_activation(const std::string& output) {
  if (output == "linear") return Activation::kNone;
  if (output == "tanh") return Activation::kTanh;
  if (output == "sigmoid") return Activation::kSigmoid;
  throw std::logic_error("no output called " + output);
}

std::int64_t ConvShape::output_size(std::int64_t input_size) const {
  if (transposed) return (input_size - 1) * stride - 2 * padding + kernel;
  return (input_size + 2 * padding - kernel) / stride + 1;
}

std::int64_t ConvShape::fan_in() const {
  if (!transposed) return in * kernel * kernel;
  // Kernel taps that contribute to one output: without padding and stride each output has one
  // input.
  const std::int64_t taps =
      stride == 1 && padding == 0 ? 1 : std::max<std::int64_t>(1, kernel / stride);
  return in * taps * taps;
}

Conv2d::Conv2d(ParameterSet& set, const std::string& name, const ConvShape& shape,
               const Initializer& initializer, bool has_bias)
    : name_(name),
      shape_(shape),
      weight_(set.add(name + ".weight",
                      {shape.transposed ? shape.in : shape.out,
                       shape.transposed ? shape.out : shape.in, shape.kernel, shape.kernel},
                      initializer)),
      bf16_copy_(set.bf16_copy(name + ".weight")) {
  if (!has_bias) return;
  bias_ = set.add(name + ".bias", {shape.out}, Initializer::zero());
  bias_bf16_ = set.bf16_copy(name + ".bias");
}

// Transposed convolution of 1x1 maps as a matrix product, because LibTorch's transposed convolution
// takes several times as long.
at::Tensor Conv2d::unfold(const at::Tensor& x, const at::Tensor& weight,
                          const at::Tensor& bias) const {
  const at::Tensor pixels = x.reshape({x.size(0), shape_.in});
  const at::Tensor y = at::mm(pixels, weight.reshape({shape_.in, -1}))
                           .view({x.size(0), shape_.out, shape_.kernel, shape_.kernel})
                           .contiguous(at::MemoryFormat::ChannelsLast);
  return bias.defined() ? y + bias.view({1, -1, 1, 1}) : y;
}

at::Tensor Conv2d::apply(const at::Tensor& x, const at::Tensor& weight) const {
  const std::int64_t s = shape_.stride;
  const std::int64_t p = shape_.padding;
  const at::ScalarType type = kernels::product_type(x);
  const at::Tensor input = x.to(type);
  const at::Tensor w = weight.to(type);
  const at::Tensor b = bias_.defined() ? in_type(bias_, *bias_bf16_, type) : bias_;
  if (shape_.transposed && p == 0 && x.size(2) == 1 && x.size(3) == 1)
    return unfold(input, w, b).to(x.scalar_type());
  const at::Tensor y = shape_.transposed ? at::conv_transpose2d(input, w, b, {s, s}, {p, p})
                                         : at::conv2d(input, w, b, {s, s}, {p, p});
  return y.to(x.scalar_type());
}

LayerInfo Conv2d::info(std::int64_t out_size, const std::string& note) const {
  const std::int64_t pixels = out_size * out_size;
  // A transposed conv multiplies each weight with each pixel that it reads.
  const std::int64_t s = shape_.transposed ? shape_.stride : 1;
  return {
      fmt::format("{}{} {}x{}{}{}", name_, shape_.transposed ? " transposed" : "", shape_.kernel,
                  shape_.kernel, shape_.stride == 1 ? "" : fmt::format(" stride {}", shape_.stride),
                  after_space(note)),
      fmt::format("[{}, {}, {}]", shape_.out, out_size, out_size),
      weight_.numel() + (bias_.defined() ? bias_.numel() : 0), shape_.out * pixels,
      weight_.numel() * (pixels / (s * s))};
}

Conv2d conv3x3(ParameterSet& set, const std::string& name, std::int64_t in, std::int64_t out,
               std::int64_t stride) {
  constexpr std::int64_t kTaps = 9;
  return {set, name, {in, out, 3, stride, 1}, Initializer::xavier_uniform(kTaps * in, kTaps * out)};
}

Linear::Linear(ParameterSet& set, const std::string& name, std::int64_t in, std::int64_t out)
    : Linear(set, name, in, out, Initializer::xavier_uniform(in, out)) {}

Linear::Linear(ParameterSet& set, const std::string& name, std::int64_t in, std::int64_t out,
               const Initializer& initializer)
    : name_(name),
      weight_(set.add(name + ".weight", {out, in}, initializer)),
      bf16_copy_(set.bf16_copy(name + ".weight")),
      bias_(set.add(name + ".bias", {out}, Initializer::zero())),
      bias_bf16_(set.bf16_copy(name + ".bias")) {}

at::Tensor Linear::operator()(const at::Tensor& x) const {
  const at::ScalarType type = kernels::product_type(x);
  return at::linear(x.to(type), in_type(weight_, *bf16_copy_, type),
                    in_type(bias_, *bias_bf16_, type))
      .to(x.scalar_type());
}

LayerInfo Linear::info(Activation activation) const {
  return {name_ + " linear" + after_space(activation_name(activation)),
          fmt::format("[{}]", weight_.size(0)), weight_.numel() + bias_.numel(), weight_.size(0),
          weight_.numel()};
}

at::Tensor upsample_nearest(const at::Tensor& x, std::int64_t factor) {
  return at::upsample_nearest2d(x, {x.size(2) * factor, x.size(3) * factor});
}

}  // namespace valley
