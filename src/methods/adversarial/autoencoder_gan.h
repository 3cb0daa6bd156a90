// A generator with an autoencoder as discriminator: the model of EBGAN, BEGAN and MAGAN.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "nn/model.h"

namespace valley {

// Kind of the networks' convolutions, on which memory depends.
enum class GanConvs {
  k3x3,  // with ELU: BEGAN
  k4x4,  // strided and transposed: EBGAN and MAGAN
};

class AutoencoderGan : public Model {
 public:
  // `options`: those of the networks.
  AutoencoderGan(std::unique_ptr<Generator> generator, std::unique_ptr<Autoencoder> discriminator,
                 const ModelOptions& options, GanConvs convs);
  [[nodiscard]] std::vector<NamedNetwork> networks() const override;
  [[nodiscard]] PixelRange pixel_range() const override { return range_; }
  [[nodiscard]] bool couples_samples() const override { return batch_norm_; }
  [[nodiscard]] std::vector<std::string> averaged() const override { return {"generator"}; }
  [[nodiscard]] bool has_own_convs(const ComputeOptions& compute) const override;
  [[nodiscard]] bool reads_bf16(const ComputeOptions& compute) const override;
  // True if the last activation keeps the images of both networks in their range.
  [[nodiscard]] bool is_bounded() const { return bounded_; }
  [[nodiscard]] const Generator& generator() const { return *generator_; }
  [[nodiscard]] const Autoencoder& discriminator() const { return *discriminator_; }

 private:
  std::unique_ptr<Generator> generator_;
  std::unique_ptr<Autoencoder> discriminator_;
  PixelRange range_;
  bool bounded_;
  bool batch_norm_;
  GanConvs convs_;
};

}  // namespace valley
