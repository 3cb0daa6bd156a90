// Classes in the training of conditional autoencoder GANs (model.labels > 0).
//
// D(x, y) is the energy of an image x under class y, and G(z, y) generates class y. D is an
// autoencoder and could reconstruct images without reading y; G would then ignore it as well. D's
// loss therefore has a term for real images with a wrong class y', drawn uniformly among the others
// (mismatched pairs: Reed et al. 2016, arXiv 1605.05396, algorithm 1, for GANs with text). Its form
// for energies is ours:
//   EBGAN, MAGAN  L_D = D(x, y) + max(0, m - D(G(z, y_z), y_z)) + w max(0, m - D(x, y'))
//   BEGAN         L_D = L(x, y) - k L(G(z, y_z), y_z) + w max(0, 0.18 - L(x, y')), with 0.18 for
//                 images in [-1, 1] and 0.09 for images in [0, 1]; k and M are those of BEGAN
// with w = objective.mismatch_weight. The hinge is per sample. y_z: objective.label_sampling.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "core/config.h"
#include "methods/adversarial/autoencoder_gan.h"
#include "methods/objective.h"

namespace valley {

struct ClassOptions {
  std::string label_sampling = "data";  // classes of generated images: see add_keys
  double mismatch_weight = 1;

  void add_keys(Schema& schema);
};

// The labels of passes, int64 [B] on the device; undefined for unconditional models. Functions of
// seed and position.
class ClassLabels {
 public:
  // `model` outlives this. Error kConfig for label_sampling = "balanced" without classes.
  ClassLabels(const AutoencoderGan& model, const ClassOptions& options);

  // Classes of the real images.
  [[nodiscard]] at::Tensor real(const Microbatch& microbatch) const;
  // Classes of images generated from latents of the stream kLatentD or kLatentG: those of the real
  // images of the microbatch ("data"), or uniform draws from kLabelD or kLabelG ("balanced").
  [[nodiscard]] at::Tensor generated(const Microbatch& microbatch, RandomStream latents) const;
  // For each real image a class other than its own, uniform, from the stream kMismatch.
  [[nodiscard]] at::Tensor mismatched(const Microbatch& microbatch) const;
  // Weight of the term of mismatched pairs; 0 without classes.
  [[nodiscard]] double mismatch_weight() const { return mismatch_weight_; }

 private:
  std::int64_t classes_;
  bool balanced_;
  double mismatch_weight_;
};

}  // namespace valley
