// Convs one after the other, each with its batch norm and activation: what encoders, decoders and
// generators of EBGAN and MAGAN are.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "nn/batch_norm.h"
#include "nn/layers.h"
#include "nn/model.h"

namespace valley {

struct ConvStage {
  ConvShape shape;
  Initializer initializer;
  bool batch_norm = false;  // the conv then has no bias: the norm's shift takes its place
  Activation activation = Activation::kNone;
};

class ConvStack {
 public:
  // Tensors are called PREFIX + "0.conv.weight", PREFIX + "0.norm.weight", ... in `set`.
  ConvStack(ParameterSet& set, const std::string& prefix, const std::vector<ConvStage>& stages,
            const std::shared_ptr<const PassContext>& context,
            std::shared_ptr<const ComputeOptions> compute);
  [[nodiscard]] at::Tensor operator()(const at::Tensor& x) const;  // [B, C, H, W]
  // Adds its layers for an input of `size` pixels; returns the size of its output.
  std::int64_t describe(std::int64_t size, std::vector<LayerInfo>& table) const;

 private:
  struct Part {
    Conv2d conv;
    std::optional<BatchNorm2d> norm;
    Activation activation;
  };
  [[nodiscard]] at::Tensor apply(const Part& part, const at::Tensor& x) const;

  std::shared_ptr<const ComputeOptions> compute_;
  std::vector<Part> parts_;
};

// Halves, or doubles, the side of a map: 4x4, stride 2, padding 1.
[[nodiscard]] ConvShape halving(std::int64_t in, std::int64_t out);
[[nodiscard]] ConvShape doubling(std::int64_t in, std::int64_t out);
// From a vector [B, in, 1, 1] to a map of `size` pixels.
[[nodiscard]] ConvShape unfolding(std::int64_t in, std::int64_t out, std::int64_t size);

}  // namespace valley
