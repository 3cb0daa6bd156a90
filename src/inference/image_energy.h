// The energy that a saved model gives an image, whatever the model: what `valley energy`,
// `classify`, `restore` and chains use.
//
// To let another kind of model be used: an ImageEnergy of its own, and a case in
// make_image_energy.
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

  // images: float [B, C, H, W] in [0, 1] on device(); returns float [B], low where images are
  // likely, each image's own. Differentiable in the images. Parameters are frozen, and several
  // threads may call at once on CPUs.
  [[nodiscard]] virtual at::Tensor energy(const at::Tensor& images) const = 0;

  // What the numbers are, for people: "Euclidean norm of the reconstruction error (l2_norm)".
  [[nodiscard]] virtual std::string describe() const = 0;
  // Whether exp(E(x') - E(x)) is the ratio p(x) / p(x') of the model's own density; energies of
  // autoencoders are scores that no density was fitted with.
  [[nodiscard]] virtual bool is_density() const = 0;

  [[nodiscard]] virtual at::Device device() const { return at::kCPU; }
};

// The energy of a saved model on `device`, which must outlive what is returned: of an autoencoder
// GAN the error of D's reconstruction, as its objective.energy says; of an EBM its network; of a
// deep belief network DeepBeliefNetwork::energy. Error kData naming the file where its metadata do
// not say which.
[[nodiscard]] std::unique_ptr<ImageEnergy> make_image_energy(const SavedModel& saved,
                                                             at::Device device);

// uint8 [B, H, W, C] on the host as images in [0, 1] on `device`: float [B, C, H, W],
// channels_last.
[[nodiscard]] at::Tensor unit_images(const at::Tensor& pixels, at::Device device);

}  // namespace valley
