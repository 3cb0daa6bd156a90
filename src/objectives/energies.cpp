#include "objectives/energies.h"

#include <ATen/core/Reduction.h>
#include <ATen/ops/l1_loss.h>

namespace valley {

at::Tensor mean_l1_energy(const at::Tensor& image, const at::Tensor& reconstruction) {
  return at::l1_loss(reconstruction, image, at::Reduction::Mean);
}

}  // namespace valley
