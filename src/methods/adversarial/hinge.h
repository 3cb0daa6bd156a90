// The updates of EBGAN and MAGAN: an autoencoder D lowers the energy of real images and raises that
// of generated images up to a margin m; a generator G lowers the energy of its images.
//   D on real images  D(x)
//   D's update        D(x) + max(0, m - D(G(z_D))), with the hinge per sample
//   G's update        D(G(z_G)), through both the image and its reconstruction, D frozen
// Where augmentation is on, x and G(z) are augmented in all of these (augmentation.h).
// Conditional models read the class of each image, and D's update has one more hinge, see
// methods/adversarial/classes.h.
// Real and generated images have separate forward passes through D, with one graph in memory at a
// time and separate moments of batch norm.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "methods/adversarial/augmentation.h"
#include "methods/adversarial/autoencoder_gan.h"
#include "methods/adversarial/classes.h"
#include "methods/adversarial/energies.h"
#include "methods/adversarial/generated.h"
#include "methods/adversarial/pulling_away.h"
#include "methods/method.h"
#include "methods/objective.h"

namespace valley {

// Slots of the sums over samples that each update adds to.
namespace real_sums {
inline constexpr std::int64_t kReal = 0, kCount = 1;
[[nodiscard]] std::vector<std::string> names();
}  // namespace real_sums
namespace discriminator_sums {
// kHinge: sum of the hinges; kActive: number of samples with a hinge above 0; kSigns: of
// Augmentation::signs, if adaptive.
inline constexpr std::int64_t kReal = 0, kFake = 1, kHinge = 2, kActive = 3, kCount = 4, kSigns = 5;
[[nodiscard]] std::vector<std::string> names();
}  // namespace discriminator_sums
// Further slots of discriminator_sums if mismatched pairs have a weight.
namespace mismatch_sums {
inline constexpr std::int64_t kEnergy = 6, kHinge = 7;
}  // namespace mismatch_sums
namespace generator_sums {
// kPullingAway: the term of a microbatch times its number of samples.
inline constexpr std::int64_t kFake = 0, kPullingAway = 1, kCount = 2;
[[nodiscard]] std::vector<std::string> names();
}  // namespace generator_sums

class HingeUpdates {
 public:
  // `model` outlives this.
  HingeUpdates(const AutoencoderGan& model, Energy energy, const ObjectiveSetting& setting,
               const ClassOptions& classes)
      : model_(model),
        energy_(energy),
        labels_(model, classes),
        generated_(model, setting.latent, labels_),
        augmentation_(model, setting) {}

  // Names of the sums of `discriminator`.
  [[nodiscard]] std::vector<std::string> discriminator_names() const;
  // D's loss and its reported values, from the means of its sums; `loss`: without mismatched pairs.
  [[nodiscard]] at::Tensor with_mismatch(const at::Tensor& loss, const at::Tensor& means) const;
  void report_mismatch(const at::Tensor& means, std::vector<ReportValue>& report) const;

  // Adds to real_sums, without gradients.
  void measure(const Microbatch& microbatch, const at::Tensor& sums) const;
  // Gradients of the energy of real images only; adds to real_sums.
  void reals(const Microbatch& microbatch, const at::Tensor& sums) const;
  // `margin`: double [] on the device; adds to discriminator_sums.
  void discriminator(const Microbatch& microbatch, const at::Tensor& margin,
                     const at::Tensor& sums) const;
  // Adds `weight` times the pulling-away term of D's codes to the loss; adds to generator_sums.
  void generator(const Microbatch& microbatch, PullingAway kind, double weight,
                 const at::Tensor& sums) const;
  // Runs the part of `generator` that does not read D.
  void prefetch_generator(Microbatch& microbatch) const;
  // After a step, with the means over the global batch of discriminator_sums, in double precision.
  void adapt(const at::Tensor& means) const;
  [[nodiscard]] const Augmentation& augmentation() const { return augmentation_; }

 private:
  [[nodiscard]] at::Tensor real_images(const Microbatch& microbatch) const;  // augmented
  // `x`: real_images(microbatch); returns [B].
  [[nodiscard]] at::Tensor real_energies(const Microbatch& microbatch, const at::Tensor& x) const;
  void mismatched(const Microbatch& microbatch, const at::Tensor& x, const at::Tensor& margin,
                  const at::Tensor& sums) const;
  const AutoencoderGan& model_;
  Energy energy_;
  ClassLabels labels_;
  GeneratedImages generated_;
  Augmentation augmentation_;
};

}  // namespace valley
