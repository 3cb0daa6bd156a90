#include "methods/dbn/contrastive_divergence.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/zeros_like.h>

namespace valley {
namespace {

at::Tensor& gradient_of(const at::Tensor& parameter) {
  at::Tensor& gradient = parameter.mutable_grad();
  if (!gradient.defined()) gradient = at::zeros_like(parameter);
  return gradient;
}

// Adds `share` times the gradient of the summed energies: dE/dW = -h v' and so on. For Gaussian
// units dE/db = b - v; b cancels in the difference of data and chain.
void add_energies(const Rbm& rbm, const VisibleState& seen, const at::Tensor& h, double share) {
  gradient_of(rbm.weight()).addmm_(h.t(), seen.v, 1, -share);
  gradient_of(rbm.hidden_bias()).sub_(h.sum(0), share);
  gradient_of(rbm.visible_bias()).sub_(seen.v.sum(0), share);
  if (!seen.y.defined()) return;
  gradient_of(rbm.label_weight()).addmm_(h.t(), seen.y, 1, -share);
  gradient_of(rbm.label_bias()).sub_(seen.y.sum(0), share);
}

void add_weight_cost(const Rbm& rbm, double cost) {
  if (cost == 0) return;
  gradient_of(rbm.weight()).add_(rbm.weight(), cost);
  if (rbm.shape().labels > 0) gradient_of(rbm.label_weight()).add_(rbm.label_weight(), cost);
}

// Runs the chain from hidden states `h` and sets `found.end`. Returns the input of the hidden units
// at its end.
at::Tensor run_chain(const Rbm& rbm, const DivergenceSettings& settings, const GibbsDraws& draws,
                     at::Tensor h, Divergence& found) {
  const bool has_labels = rbm.shape().labels > 0;
  at::Tensor input;
  for (std::int64_t step = 0; step < settings.steps; ++step) {
    if (step > 0) h = draws.hidden(at::sigmoid(input), step);
    found.end.v = rbm.visible_mean(h);
    if (has_labels) found.end.y = rbm.label_probabilities(h);
    if (settings.persistent || step + 1 < settings.steps) {
      found.end.v = draws.visible(found.end.v, step);
      if (has_labels) found.end.y = draws.label(found.end.y, step);
    }
    input = rbm.hidden_input(found.end.v, found.end.y);
  }
  return input;
}

}  // namespace

Divergence accumulate_divergence(const Rbm& rbm, const DivergenceSettings& settings,
                                 const VisibleState& data, const at::Tensor& chain,
                                 const Microbatch& microbatch) {
  const at::NoGradGuard no_grad;
  const Microbatch::Place& at = microbatch.place();
  const GibbsDraws draws(rbm, {at.seed, RandomStream::kGibbs, at.position, at.offset},
                         RandomStream::kGibbsNoise);
  const double share = microbatch.weight() / static_cast<double>(microbatch.size());

  Divergence found;
  const at::Tensor input = rbm.hidden_input(data.v, data.y);
  found.driven = at::sigmoid(input);
  found.real_energy = rbm.free_energy_of(input, data.v, data.y);
  add_energies(rbm, data, found.driven, share);

  const at::Tensor begin = settings.persistent ? chain : draws.hidden(found.driven, 0);
  const at::Tensor end = run_chain(rbm, settings, draws, begin, found);
  const at::Tensor probabilities = at::sigmoid(end);
  found.fake_energy = rbm.free_energy_of(end, found.end.v, found.end.y);
  add_energies(rbm, found.end, probabilities, -share);
  if (settings.persistent) found.hidden = draws.hidden(probabilities, settings.steps);

  add_weight_cost(rbm, settings.weight_cost * microbatch.weight());
  return found;
}

}  // namespace valley
