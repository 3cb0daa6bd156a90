// Learned vectors of classes, which condition networks: a layer's output is shifted by a vector
// that depends on the class. This equals the layer with the class as a further, constant input.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "nn/layers.h"
#include "nn/model_options.h"
#include "nn/parameters.h"

namespace valley {

// Initial embeddings of a generator or a decoder have the distribution of latents, so that the
// class shifts the first maps as much as the latent vector does.
[[nodiscard]] Initializer initial_embedding(const ModelOptions& options);

// One vector per class. Computed in float; weighted sums of rows serve mixtures of classes.
class LabelEmbedding {
 public:
  // Adds the parameter NAME, float [labels, size].
  LabelEmbedding(ParameterSet& set, const std::string& name, std::int64_t labels, std::int64_t size,
                 const Initializer& initializer);
  // classes: float [B, labels], weights per class; returns float [B, size].
  [[nodiscard]] at::Tensor operator()(const at::Tensor& classes) const;
  // The same as a shift of channels: [B, size, 1, 1].
  [[nodiscard]] at::Tensor channels(const at::Tensor& classes) const;
  [[nodiscard]] LayerInfo info() const;

 private:
  std::string name_;
  at::Tensor table_;
};

// Maps [B, maps, side, side] from an embedding of the class: a shift of the first maps of a
// generator or decoder, as if the embedding were concatenated to the latent vector or the code. The
// layer of the latent vector keeps its own tensors, so that weights of an unconditional model load
// into a conditional one.
class LabelMaps {
 public:
  struct Shape {
    std::int64_t labels = 0;
    std::int64_t size = 0;  // of the embedding
    std::int64_t maps = 0;
    std::int64_t side = 1;
  };
  // Adds NAME.embedding [labels, size] and NAME.projection [size, maps * side * side].
  LabelMaps(ParameterSet& set, const std::string& name, const Shape& shape,
            const Initializer& embedding, const Initializer& projection);
  [[nodiscard]] at::Tensor operator()(const at::Tensor& classes) const;  // float, channels_last
  void describe(std::vector<LayerInfo>& table) const;

 private:
  std::string name_;
  Shape shape_;
  LabelEmbedding embedding_;
  at::Tensor projection_;
};

// `y` + `shift` in the type of `y`; `y` if `shift` is undefined.
[[nodiscard]] at::Tensor shifted(const at::Tensor& y, const at::Tensor& shift);

}  // namespace valley
