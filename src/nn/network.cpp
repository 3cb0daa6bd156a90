#include "nn/network.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/logsumexp.h>

#include "core/error.h"

namespace valley {

// Labels are not checked against the number of classes, which would synchronize with the host; one
// out of range has weight 0 in all classes.
at::Tensor Network::class_weights(const at::Tensor& labels) const {
  VALLEY_CHECK(labels.defined() == (labels_ > 0));
  if (!labels.defined() || labels.is_floating_point()) return labels;
  const at::Tensor classes = at::arange(labels_, labels.options());
  return labels.unsqueeze(1).eq(classes).to(at::kFloat);
}

at::Tensor marginal_energy(const at::Tensor& class_energies) {
  return -at::logsumexp(-class_energies, {1});
}

}  // namespace valley
