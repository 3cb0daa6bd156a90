#include "methods/dbn/rbm_measures.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/log_sigmoid.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/square.h>

#include "core/error.h"
#include "kernels/kernels.h"
#include "methods/metric_names.h"

namespace valley {
namespace {

// int64 [size], each from [0, units).
at::Tensor draw_units(const Microbatch& microbatch, std::int64_t units) {
  const Microbatch::Place& place = microbatch.place();
  const at::Tensor u =
      at::empty({microbatch.size(), 1}, place.position.options().dtype(at::kFloat));
  kernels::fill_uniform(u, {place.seed, RandomStream::kMeasure, 0.0F, 1.0F}, place.position,
                        place.offset);
  return (u.squeeze(1).to(at::kDouble) * static_cast<double>(units)).floor().to(at::kLong);
}

}  // namespace

at::Tensor pseudo_likelihood(const Rbm& rbm, const VisibleState& seen, const at::Tensor& unit) {
  VALLEY_CHECK(!rbm.is_gaussian());
  const at::Tensor column = unit.unsqueeze(1);
  const at::Tensor flipped = seen.v.scatter(1, column, 1 - seen.v.gather(1, column));
  const at::Tensor rise = rbm.free_energy(flipped, seen.y) - rbm.free_energy(seen.v, seen.y);
  return at::log_sigmoid(rise) * static_cast<double>(rbm.shape().visible);
}

ImageMeasures compute_measures(const Rbm& rbm, const VisibleState& seen,
                               const Microbatch& microbatch) {
  const at::Tensor input = rbm.hidden_input(seen.v, seen.y);
  const at::Tensor again = rbm.visible_mean(at::sigmoid(input));
  ImageMeasures all = {{metric::kFreeEnergy, rbm.free_energy_of(input, seen.v, seen.y)},
                       {metric::kReconstructionError, at::square(again - seen.v).mean(1)}};
  if (!rbm.is_gaussian()) {
    const at::Tensor unit = draw_units(microbatch, rbm.shape().visible);
    all.emplace_back(metric::kPseudoLikelihood, pseudo_likelihood(rbm, seen, unit));
  }
  if (rbm.shape().labels > 0) {
    const at::Tensor lowest = at::argmax(-rbm.free_energies_of_labels(seen.v), 1);
    all.emplace_back(metric::kClassError, lowest.ne(microbatch.labels()).to(at::kFloat));
  }
  return all;
}

}  // namespace valley
