#include "methods/adversarial/classes.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>

#include "core/error.h"
#include "kernels/kernels.h"

namespace valley {
namespace {

// int64 [B], uniform in [0, n). The shares of classes differ by less than n 2^-24.
at::Tensor uniform_classes(const Microbatch& microbatch, RandomStream stream, std::int64_t n) {
  const Microbatch::Place& place = microbatch.place();
  const at::Tensor u = at::empty({place.size, 1}, place.position.options().dtype(at::kFloat));
  kernels::fill_uniform(u, {place.seed, stream, 0.0F, 1.0F}, place.position, place.offset);
  // In double, so that no product is rounded up to n.
  return (u.squeeze(1).to(at::kDouble) * static_cast<double>(n)).floor().to(at::kLong);
}

}  // namespace

void ClassOptions::add_keys(Schema& s) {
  s.key("objective.label_sampling", &label_sampling)
      .one_of({"data", "balanced"})
      .help(
          "Classes of generated images in training (model.labels): those of the real images of the "
          "batch, or uniform over all classes.")
      .source("ours");
  s.key("objective.mismatch_weight", &mismatch_weight)
      .min(0)
      .help(
          "Weight of the term that raises the energy of real images with a wrong class "
          "(model.labels); 0: none.")
      .source("ours, after Reed et al., arXiv 1605.05396");
}

ClassLabels::ClassLabels(const AutoencoderGan& model, const ClassOptions& options)
    : classes_(model.generator().labels()),
      balanced_(options.label_sampling == "balanced"),
      mismatch_weight_(classes_ > 0 ? options.mismatch_weight : 0) {
  if (balanced_ && classes_ == 0)
    throw Error(ExitCode::kConfig,
                "objective.label_sampling = \"balanced\" draws classes, but model.labels = 0; set "
                "model.labels to the number of classes, or objective.label_sampling=data");
}

at::Tensor ClassLabels::real(const Microbatch& microbatch) const {
  return classes_ > 0 ? microbatch.labels() : at::Tensor();
}

at::Tensor ClassLabels::generated(const Microbatch& microbatch, RandomStream latents) const {
  if (!balanced_) return real(microbatch);
  const RandomStream stream =
      latents == RandomStream::kLatentD ? RandomStream::kLabelD : RandomStream::kLabelG;
  return uniform_classes(microbatch, stream, classes_);
}

at::Tensor ClassLabels::mismatched(const Microbatch& microbatch) const {
  const at::Tensor others = uniform_classes(microbatch, RandomStream::kMismatch, classes_ - 1);
  return (real(microbatch) + others + 1).remainder(classes_);
}

}  // namespace valley
