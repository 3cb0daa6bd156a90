#include "samplers/gibbs.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/log.h>
#include <ATen/ops/one_hot.h>

#include <utility>

#include "core/error.h"
#include "core/philox.h"
#include "core/progress_count.h"
#include "kernels/kernels.h"

namespace valley {
GibbsDraws::GibbsDraws(const Rbm& rbm, const ChainPlace& place, RandomStream noise)
    : rbm_(rbm),
      place_(place),
      noise_(noise),
      visible_blocks_(philox_blocks(rbm.shape().visible)),
      hidden_blocks_(philox_blocks(rbm.shape().hidden)),
      label_blocks_(philox_blocks(rbm.shape().labels)) {}

std::int64_t GibbsDraws::max_steps() const {
  return (std::int64_t{1} << 32) / (visible_blocks_ + hidden_blocks_ + label_blocks_);
}

at::Tensor GibbsDraws::uniform(std::int64_t rows, std::int64_t n, std::int64_t step,
                               std::int64_t first_block) const {
  const at::Tensor values =
      at::empty({rows, n}, at::TensorOptions(place_.position.device()).dtype(at::kFloat));
  const std::int64_t blocks_per_step = visible_blocks_ + hidden_blocks_ + label_blocks_;
  kernels::fill_uniform(values,
                        {place_.seed, place_.stream, 0.0F, 1.0F,
                         static_cast<std::uint32_t>(step * blocks_per_step + first_block)},
                        place_.position, place_.offset);
  return values;
}

at::Tensor GibbsDraws::hidden(const at::Tensor& probabilities, std::int64_t step) const {
  const auto rows = probabilities.size(0);
  return uniform(rows, rbm_.shape().hidden, step, 0).lt_(probabilities);
}

at::Tensor GibbsDraws::visible(const at::Tensor& mean, std::int64_t step) const {
  const auto rows = mean.size(0);
  const std::int64_t units = rbm_.shape().visible;
  if (!rbm_.is_gaussian()) return uniform(rows, units, step, hidden_blocks_).lt_(mean);
  const at::Tensor noise = at::empty({rows, units}, mean.options(), at::MemoryFormat::Contiguous);
  kernels::fill_normal(
      noise, {place_.seed, noise_, 1.0F, static_cast<std::uint32_t>(step * visible_blocks_)},
      place_.position, place_.offset);
  return noise.add_(mean);
}

at::Tensor GibbsDraws::label(const at::Tensor& probabilities, std::int64_t step) const {
  // The largest of log p - log(-log u) has probability p (Gumbel's distribution).
  constexpr double kMin = 1e-30;
  const std::int64_t labels = rbm_.shape().labels;
  const at::Tensor u =
      uniform(probabilities.size(0), labels, step, hidden_blocks_ + visible_blocks_);
  const at::Tensor gumbel = -at::log(-at::log(u.clamp(kMin, 1 - 0x1p-24)));
  const at::Tensor chosen = at::argmax(at::log(probabilities.clamp_min(kMin)) + gumbel, 1);
  return at::one_hot(chosen, labels).to(at::kFloat);
}

GibbsChain run_gibbs(const Rbm& rbm, const at::Tensor& hidden, std::int64_t steps,
                     const GibbsDraws& draws, const at::Tensor& label, std::int64_t first_step) {
  VALLEY_CHECK(steps >= 1 && first_step + steps <= draws.max_steps());
  const at::NoGradGuard no_grad;
  const bool has_labels = rbm.shape().labels > 0;
  GibbsChain chain;
  chain.hidden = hidden;
  for (std::int64_t step = first_step; step < first_step + steps; ++step) {
    count_progress();
    chain.mean = rbm.visible_mean(chain.hidden);
    chain.seen.v = draws.visible(chain.mean, step);
    if (has_labels) {
      chain.seen.y =
          label.defined() ? label : draws.label(rbm.label_probabilities(chain.hidden), step);
    }
    chain.hidden = draws.hidden(rbm.hidden(chain.seen.v, chain.seen.y), step);
  }
  return chain;
}

}  // namespace valley
