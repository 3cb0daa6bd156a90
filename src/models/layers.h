// The layers that networks are made of: handles to parameters and a forward pass each. Autograd
// differentiates them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "models/parameters.h"

namespace valley {

// What a layer does to a shape, for tables and memory estimates; activations are floats a sample
// kept for the backward pass.
struct LayerInfo {
  std::string name;
  std::string output;  // "[128, 64, 64]"
  std::int64_t parameters = 0;
  std::int64_t activations = 0;
  std::int64_t multiply_adds = 0;  // a sample, forward
};

// 3x3, padding 1. Weights Xavier-uniform, bias zero.
class Conv3x3 {
 public:
  Conv3x3(ParameterSet& set, const std::string& name, std::int64_t in, std::int64_t out,
          std::int64_t stride = 1);
  [[nodiscard]] at::Tensor operator()(
      const at::Tensor& x) const;  // [B, in, H, W] -> [B, out, H/stride, W/stride]
  [[nodiscard]] std::int64_t stride() const { return stride_; }
  [[nodiscard]] LayerInfo info(std::int64_t out_size, bool activated) const;

 private:
  std::string name_;
  std::int64_t stride_;
  at::Tensor weight_;  // [out, in, 3, 3]
  at::Tensor bias_;    // [out]
};

// Weights Xavier-uniform, bias zero.
class Linear {
 public:
  Linear(ParameterSet& set, const std::string& name, std::int64_t in, std::int64_t out);
  [[nodiscard]] at::Tensor operator()(const at::Tensor& x) const;  // [B, in] -> [B, out]
  [[nodiscard]] LayerInfo info() const;

 private:
  std::string name_;
  at::Tensor weight_;  // [out, in]
  at::Tensor bias_;    // [out]
};

[[nodiscard]] at::Tensor apply_elu(const at::Tensor& x);  // alpha 1; in place: x is used up
[[nodiscard]] at::Tensor upsample_nearest(const at::Tensor& x,
                                          std::int64_t factor);  // [B, C, H, W] -> [B, C, fH, fW]

}  // namespace valley
