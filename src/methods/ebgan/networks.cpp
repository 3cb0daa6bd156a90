#include "methods/ebgan/networks.h"

#include <algorithm>

#include "methods/adversarial/autoencoder_gan.h"
#include "methods/adversarial/stacked_gan.h"
#include "nn/option_checks.h"

namespace valley {
namespace {

constexpr std::int64_t kEbganBase = 4;
constexpr double kGeneratorDeviation = 0.02;
constexpr double kDiscriminatorDeviation = 0.002;

std::vector<ConvStage> ebgan_generator_stages(const ModelOptions& o) {
  const Initializer normal = Initializer::normal(kGeneratorDeviation);
  const auto [base, doublings] = make_pyramid(o.resolution, kEbganBase);
  std::int64_t maps = o.width << (doublings - 1);
  std::vector<ConvStage> stages = {
      {unfolding(o.latent, maps, base), normal, o.batch_norm, Activation::kRelu}};
  for (std::int64_t i = 0; i < doublings; ++i) {
    const std::int64_t next = std::max(maps / 2, o.width);
    stages.push_back({doubling(maps, next), normal, o.batch_norm, Activation::kRelu});
    maps = next;
  }
  stages.push_back({{maps, o.channels, 3, 1, 1}, normal, false, output_activation(o.output)});
  return stages;
}

// Number of halvings in the encoder: 3 at 64 pixels, 4 at 128 and 256 (paper).
std::int64_t halvings(const ModelOptions& o) {
  constexpr std::int64_t kLarge = 128;
  const std::int64_t max = o.resolution >= kLarge ? 4 : 3;
  return std::min(max, make_pyramid(o.resolution, kEbganBase).doublings);
}

std::vector<ConvStage> ebgan_encoder_stages(const ModelOptions& o) {
  const Initializer normal = Initializer::normal(kDiscriminatorDeviation);
  std::vector<ConvStage> stages;
  std::int64_t in = o.channels;
  for (std::int64_t i = 0; i < halvings(o); ++i) {
    const std::int64_t out = o.width << i;
    stages.push_back({halving(in, out), normal, o.batch_norm && i > 0, Activation::kLeakyRelu});
    in = out;
  }
  return stages;
}

std::vector<ConvStage> decoder_stages(const ModelOptions& o) {
  const Initializer normal = Initializer::normal(kDiscriminatorDeviation);
  std::vector<ConvStage> stages;
  for (std::int64_t i = halvings(o) - 1; i > 0; --i) {
    stages.push_back(
        {doubling(o.width << i, o.width << (i - 1)), normal, o.batch_norm, Activation::kRelu});
  }
  stages.push_back({doubling(o.width, o.channels), normal, false, output_activation(o.output)});
  return stages;
}

}  // namespace

std::unique_ptr<Model> make_ebgan(const ModelOptions& o, at::Device device) {
  ModelAbilities abilities;
  abilities.resolutions = {28, 32, 64, 128, 256};
  abilities.batch_norm = true;
  abilities.labels = true;
  require_abilities(o, abilities);
  return std::make_unique<AutoencoderGan>(
      std::make_unique<StackGenerator>(ebgan_generator_stages(o), o, device),
      std::make_unique<StackAutoencoder>(ebgan_encoder_stages(o), decoder_stages(o), o, device), o,
      GanConvs::k4x4);
}

}  // namespace valley
