#include "methods/magan/networks.h"

#include <optional>

#include "methods/adversarial/autoencoder_gan.h"
#include "methods/adversarial/stacked_gan.h"
#include "nn/label_embedding.h"
#include "nn/option_checks.h"

namespace valley {
namespace {

constexpr std::int64_t kMaganBase = 4;

ConvStage stage(const ConvShape& shape, Activation activation) {
  return {shape, Initializer::he_normal(shape.fan_in()), false, activation};
}

// Stages from the widest maps to the image.
std::vector<ConvStage> doublings_to_image(const ModelOptions& o, Activation activation) {
  std::vector<ConvStage> stages;
  for (std::int64_t i = make_pyramid(o.resolution, kMaganBase).doublings - 1; i > 0; --i)
    stages.push_back(stage(doubling(o.width << i, o.width << (i - 1)), activation));
  stages.push_back(stage(doubling(o.width, o.channels), output_activation(o.output)));
  return stages;
}

std::vector<ConvStage> magan_generator_stages(const ModelOptions& o) {
  const auto [base, doublings] = make_pyramid(o.resolution, kMaganBase);
  std::vector<ConvStage> stages = doublings_to_image(o, Activation::kRelu);
  stages.insert(stages.begin(),
                stage(unfolding(o.latent, o.width << (doublings - 1), base), Activation::kRelu));
  return stages;
}

std::vector<ConvStage> magan_encoder_stages(const ModelOptions& o) {
  std::vector<ConvStage> stages;
  std::int64_t in = o.channels;
  for (std::int64_t i = 0; i < make_pyramid(o.resolution, kMaganBase).doublings; ++i) {
    const std::int64_t out = o.width << i;
    stages.push_back(stage(halving(in, out), Activation::kLeakyRelu));
    in = out;
  }
  return stages;
}

// The authors' autoencoder for MNIST: 784-256-256-784.
class DenseAutoencoder : public Autoencoder {
 public:
  DenseAutoencoder(const ModelOptions& o, at::Device device)
      : Autoencoder(device, o.labels),
        shape_{o.channels, o.resolution, o.resolution},
        output_activation_(output_activation(o.output)),
        input_(linear("encoder.0", elements(o), units(o))),
        hidden_(linear("encoder.1", units(o), units(o))),
        output_(linear("decoder.0", units(o), elements(o))) {
    if (o.labels == 0) return;
    encoder_labels_.emplace(parameters_, "encoder.labels", o.labels, units(o),
                            Initializer::he_normal(elements(o)));
    decoder_labels_.emplace(parameters_, "decoder.labels", o.labels, elements(o),
                            Initializer::he_normal(units(o)));
  }

  [[nodiscard]] at::Tensor code_of(const at::Tensor& x, const at::Tensor& classes) const override {
    const at::Tensor shift = encoder_labels_ ? (*encoder_labels_)(classes) : classes;
    const at::Tensor first = activate(shifted(input_(x.flatten(1)), shift), Activation::kRelu);
    return activate(hidden_(first), Activation::kRelu);
  }
  [[nodiscard]] at::Tensor image_of(const at::Tensor& h, const at::Tensor& classes) const override {
    const at::Tensor shift = decoder_labels_ ? (*decoder_labels_)(classes) : classes;
    return activate(shifted(output_(h), shift), output_activation_)
        .view({h.size(0), shape_[0], shape_[1], shape_[2]})
        .contiguous(at::MemoryFormat::ChannelsLast);
  }
  [[nodiscard]] std::vector<LayerInfo> layers() const override {
    std::vector<LayerInfo> table = {input_.info(Activation::kRelu), hidden_.info(Activation::kRelu),
                                    output_.info(output_activation_)};
    for (const auto& labels : {encoder_labels_, decoder_labels_})
      if (labels) table.push_back(labels->info());
    return table;
  }

 private:
  static std::int64_t units(const ModelOptions& o) { return 4 * o.width; }
  static std::int64_t elements(const ModelOptions& o) {
    return o.channels * o.resolution * o.resolution;
  }
  Linear linear(const std::string& name, std::int64_t in, std::int64_t out) {
    return {parameters_, name, in, out, Initializer::he_normal(in)};
  }

  std::int64_t shape_[3];  // C, H, W
  Activation output_activation_;
  Linear input_;
  Linear hidden_;
  Linear output_;
  std::optional<LabelEmbedding> encoder_labels_;
  std::optional<LabelEmbedding> decoder_labels_;
};

std::unique_ptr<Autoencoder> make_discriminator(const ModelOptions& o, at::Device device) {
  if (o.resolution == kMnistSide) return std::make_unique<DenseAutoencoder>(o, device);
  return std::make_unique<StackAutoencoder>(
      magan_encoder_stages(o), doublings_to_image(o, Activation::kLeakyRelu), o, device);
}

}  // namespace

std::unique_ptr<Model> make_magan(const ModelOptions& o, at::Device device) {
  ModelAbilities abilities;
  abilities.resolutions = {28, 32, 64, 128, 256};
  abilities.labels = true;
  require_abilities(o, abilities);
  return std::make_unique<AutoencoderGan>(
      std::make_unique<StackGenerator>(magan_generator_stages(o), o, device),
      make_discriminator(o, device), o, GanConvs::k4x4);
}

}  // namespace valley
