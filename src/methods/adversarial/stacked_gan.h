// The fully convolutional generators and autoencoders of EBGAN and MAGAN.
#pragma once

#include <vector>

#include "nn/conv_stack.h"
#include "nn/model.h"

namespace valley {

// Maps latent vectors, viewed as 1x1 maps, to images.
class StackGenerator : public Generator {
 public:
  StackGenerator(const std::vector<ConvStage>& stages, at::Device device)
      : Generator(device), stack_(parameters_, "layers.", stages, context_, compute_) {}
  [[nodiscard]] at::Tensor forward(const at::Tensor& z) const override {
    return stack_(z.unsqueeze(2).unsqueeze(3));
  }
  [[nodiscard]] std::vector<LayerInfo> layers() const override {
    std::vector<LayerInfo> table;
    stack_.describe(1, table);
    return table;
  }

 private:
  ConvStack stack_;
};

// Codes are maps [B, n, h, w].
class StackAutoencoder : public Autoencoder {
 public:
  StackAutoencoder(const std::vector<ConvStage>& encoder, const std::vector<ConvStage>& decoder,
                   std::int64_t resolution, at::Device device)
      : Autoencoder(device),
        resolution_(resolution),
        encoder_(parameters_, "encoder.", encoder, context_, compute_),
        decoder_(parameters_, "decoder.", decoder, context_, compute_) {}
  [[nodiscard]] at::Tensor code_of(const at::Tensor& x) const override { return encoder_(x); }
  [[nodiscard]] at::Tensor image_of(const at::Tensor& h) const override { return decoder_(h); }
  [[nodiscard]] std::vector<LayerInfo> layers() const override {
    std::vector<LayerInfo> table;
    decoder_.describe(encoder_.describe(resolution_, table), table);
    return table;
  }

 private:
  std::int64_t resolution_;
  ConvStack encoder_;
  ConvStack decoder_;
};

}  // namespace valley
