#include "inference/likely_labels.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/argmin.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>

#include <vector>

namespace valley {

at::Tensor likely_labels(const AutoencoderGan& gan, Energy energy, const at::Tensor& x) {
  const Autoencoder& d = gan.discriminator();
  if (d.labels() == 0) return {};
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> energies;
  for (std::int64_t label = 0; label < d.labels(); ++label) {
    const at::Tensor labels = at::full({x.size(0)}, label, x.options().dtype(at::kLong));
    energies.push_back(sample_energies(energy, x, d.reconstruct(x, labels)));
  }
  return at::argmin(at::stack(energies), 0);
}

}  // namespace valley
