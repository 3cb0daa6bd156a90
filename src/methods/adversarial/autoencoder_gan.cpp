#include "methods/adversarial/autoencoder_gan.h"

#include <utility>

namespace valley {

AutoencoderGan::AutoencoderGan(std::unique_ptr<Generator> generator,
                               std::unique_ptr<Autoencoder> discriminator,
                               const ModelOptions& options, GanConvs convs)
    : generator_(std::move(generator)),
      discriminator_(std::move(discriminator)),
      range_(options.output == "sigmoid" ? PixelRange::kUnit : PixelRange::kSymmetric),
      bounded_(options.output != "linear"),
      batch_norm_(options.batch_norm),
      convs_(convs) {}

std::vector<NamedNetwork> AutoencoderGan::networks() const {
  return {{"discriminator", discriminator_.get()}, {"generator", generator_.get()}};
}

bool AutoencoderGan::has_own_convs(const ComputeOptions& compute) const {
  return convs_ == GanConvs::k4x4 && compute.type == at::kFloat && compute.winograd &&
         compute.narrow_convs;
}

bool AutoencoderGan::reads_bf16(const ComputeOptions& compute) const {
  return convs_ == GanConvs::k3x3 && compute.fused_elu && compute.winograd;
}

}  // namespace valley
