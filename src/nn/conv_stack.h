// A sequence of convs, each with its batch norm and activation: the encoders, decoders and
// generators of EBGAN and MAGAN.
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
  bool batch_norm = false;  // replaces the conv's bias by the norm's shift
  Activation activation = Activation::kNone;
};

class ConvStack {
 public:
  // Names tensors PREFIX + "0.conv.weight", PREFIX + "0.norm.weight", ... in `set`.
  ConvStack(ParameterSet& set, const std::string& prefix, const std::vector<ConvStage>& stages,
            const std::shared_ptr<const PassContext>& context,
            std::shared_ptr<const ComputeOptions> compute);
  // x: [B, C, H, W]; shift: added to the first conv's output, before its norm and activation, and
  // broadcast over it; undefined: none.
  [[nodiscard]] at::Tensor operator()(const at::Tensor& x, const at::Tensor& shift = {}) const;
  // Appends the layers for inputs of `size` pixels; returns the output's size.
  std::int64_t describe(std::int64_t size, std::vector<LayerInfo>& table) const;

 private:
  struct Part {
    Conv2d conv;
    std::optional<BatchNorm2d> norm;
    Activation activation;
  };
  [[nodiscard]] at::Tensor apply(const Part& part, const at::Tensor& x,
                                 const at::Tensor& shift) const;

  std::shared_ptr<const ComputeOptions> compute_;
  std::vector<Part> parts_;
};

// 4x4 convs with stride 2 and padding 1 that halve or double the side of a map.
[[nodiscard]] ConvShape halving(std::int64_t in, std::int64_t out);
[[nodiscard]] ConvShape doubling(std::int64_t in, std::int64_t out);
// Transposed conv from vectors [B, in, 1, 1] to maps of `size` pixels.
[[nodiscard]] ConvShape unfolding(std::int64_t in, std::int64_t out, std::int64_t size);

}  // namespace valley
