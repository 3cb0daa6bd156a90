#include "models/layers.h"

#include <ATen/ops/conv2d.h>
#include <ATen/ops/elu.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/upsample_nearest2d.h>
#include <fmt/core.h>

namespace valley {
namespace {

constexpr std::int64_t kTaps = 9;  // of a 3x3 kernel

}  // namespace

Conv3x3::Conv3x3(ParameterSet& set, const std::string& name, std::int64_t in, std::int64_t out,
                 std::int64_t stride)
    : name_(name),
      stride_(stride),
      weight_(set.add(name + ".weight", {out, in, 3, 3},
                      Initializer::xavier_uniform(kTaps * in, kTaps * out))),
      bias_(set.add(name + ".bias", {out}, Initializer::zero())) {}

at::Tensor Conv3x3::operator()(const at::Tensor& x) const {
  return at::conv2d(x, weight_, bias_, {stride_, stride_}, {1, 1});
}

LayerInfo Conv3x3::info(std::int64_t out_size, bool activated) const {
  const std::int64_t out = weight_.size(0);
  const std::int64_t pixels = out_size * out_size;
  return {
      fmt::format("{} 3x3{}{}", name_, stride_ == 1 ? "" : " stride 2", activated ? " elu" : ""),
      fmt::format("[{}, {}, {}]", out, out_size, out_size), weight_.numel() + out, out * pixels,
      weight_.numel() * pixels};
}

Linear::Linear(ParameterSet& set, const std::string& name, std::int64_t in, std::int64_t out)
    : name_(name),
      weight_(set.add(name + ".weight", {out, in}, Initializer::xavier_uniform(in, out))),
      bias_(set.add(name + ".bias", {out}, Initializer::zero())) {}

at::Tensor Linear::operator()(const at::Tensor& x) const { return at::linear(x, weight_, bias_); }

LayerInfo Linear::info() const {
  return {name_ + " linear", fmt::format("[{}]", weight_.size(0)), weight_.numel() + bias_.numel(),
          weight_.size(0), weight_.numel()};
}

at::Tensor apply_elu(const at::Tensor& x) {
  at::Tensor y = x;
  return at::elu_(y);
}

at::Tensor upsample_nearest(const at::Tensor& x, std::int64_t factor) {
  return at::upsample_nearest2d(x, {x.size(2) * factor, x.size(3) * factor});
}

}  // namespace valley
