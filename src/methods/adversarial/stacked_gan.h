// The fully convolutional generators and autoencoders of EBGAN and MAGAN.
#pragma once

#include <optional>
#include <vector>

#include "nn/conv_stack.h"
#include "nn/label_embedding.h"
#include "nn/model.h"

namespace valley {

// Maps latent vectors, viewed as 1x1 maps, to images. An embedding of the class shifts the first
// maps.
class StackGenerator : public Generator {
 public:
  StackGenerator(const std::vector<ConvStage>& stages, const ModelOptions& o, at::Device device)
      : Generator(device, o.labels), stack_(parameters_, "layers.", stages, context_, compute_) {
    if (o.labels == 0) return;
    const ConvStage& first = stages.front();
    class_maps_.emplace(parameters_, "labels",
                        LabelMaps::Shape{o.labels, o.latent, first.shape.out, first.shape.kernel},
                        initial_embedding(o), first.initializer);
  }
  [[nodiscard]] at::Tensor forward(const at::Tensor& z, const at::Tensor& classes) const override {
    return stack_(z.unsqueeze(2).unsqueeze(3), class_maps_ ? (*class_maps_)(classes) : classes);
  }
  [[nodiscard]] std::vector<LayerInfo> layers() const override {
    std::vector<LayerInfo> table;
    if (class_maps_) class_maps_->describe(table);
    stack_.describe(1, table);
    return table;
  }

 private:
  ConvStack stack_;
  std::optional<LabelMaps> class_maps_;
};

// Codes are maps [B, n, h, w]. The class shifts the channels of the encoder's first layer and of
// the decoder's.
class StackAutoencoder : public Autoencoder {
 public:
  StackAutoencoder(const std::vector<ConvStage>& encoder, const std::vector<ConvStage>& decoder,
                   const ModelOptions& o, at::Device device)
      : Autoencoder(device, o.labels),
        resolution_(o.resolution),
        encoder_(parameters_, "encoder.", encoder, context_, compute_),
        decoder_(parameters_, "decoder.", decoder, context_, compute_) {
    if (o.labels == 0) return;
    const auto embed = [&](const char* name, const ConvStage& stage) {
      return LabelEmbedding(parameters_, name, o.labels, stage.shape.out, stage.initializer);
    };
    encoder_labels_ = embed("encoder.labels", encoder.front());
    decoder_labels_ = embed("decoder.labels", decoder.front());
  }
  [[nodiscard]] at::Tensor code_of(const at::Tensor& x, const at::Tensor& classes) const override {
    return encoder_(x, encoder_labels_ ? encoder_labels_->channels(classes) : classes);
  }
  [[nodiscard]] at::Tensor image_of(const at::Tensor& h, const at::Tensor& classes) const override {
    return decoder_(h, decoder_labels_ ? decoder_labels_->channels(classes) : classes);
  }
  [[nodiscard]] std::vector<LayerInfo> layers() const override {
    std::vector<LayerInfo> table;
    if (encoder_labels_) table.push_back(encoder_labels_->info());
    const std::int64_t size = encoder_.describe(resolution_, table);
    if (decoder_labels_) table.push_back(decoder_labels_->info());
    decoder_.describe(size, table);
    return table;
  }

 private:
  std::int64_t resolution_;
  ConvStack encoder_;
  ConvStack decoder_;
  std::optional<LabelEmbedding> encoder_labels_;
  std::optional<LabelEmbedding> decoder_labels_;
};

}  // namespace valley
