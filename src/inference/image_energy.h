// The energy function of any saved model.
//
// To add a kind of model: implement ImageEnergy and add a case to make_image_energy.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>

#include "inference/saved_model.h"
#include "methods/dbn/networks.h"

namespace valley {

class ImageEnergy {
 public:
  virtual ~ImageEnergy() = default;

  // images: float [B, C, H, W] in [0, 1] on device(); returns float [B], low for likely
  // images. Each energy depends on its image only and is differentiable in it. Parameters are
  // frozen. Thread-safe on CPUs.
  [[nodiscard]] virtual at::Tensor energy(const at::Tensor& images) const = 0;

  // Description for reports: "Euclidean norm of the reconstruction error (l2_norm)".
  [[nodiscard]] virtual std::string describe() const = 0;
  // True if exp(E(x') - E(x)) = p(x) / p(x') for the density p of the model. False for energies of
  // autoencoders, which were not trained as densities.
  [[nodiscard]] virtual bool is_density() const = 0;

  [[nodiscard]] virtual at::Device device() const { return at::kCPU; }
};

// The energy of a saved model on `device`, which must outlive the result: for an autoencoder GAN
// the reconstruction error of D in the metric objective.energy, for a conditional one under the
// class that reconstructs the image best, for an EBM its network, for a deep
// belief network DeepBeliefNetwork::energy. Error kData naming the file if its metadata are
// invalid.
[[nodiscard]] std::unique_ptr<ImageEnergy> make_image_energy(const SavedModel& saved,
                                                             at::Device device);

// uint8 [B, H, W, C] on the host as images in [0, 1] on `device`: float [B, C, H, W],
// channels_last.
[[nodiscard]] at::Tensor unit_images(const at::Tensor& pixels, at::Device device);

}  // namespace valley
