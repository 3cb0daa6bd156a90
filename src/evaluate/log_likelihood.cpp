#include "evaluate/log_likelihood.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <functional>

#include "inference/image_energy.h"
#include "methods/dbn/networks.h"
#include "samplers/annealing.h"
#include "samplers/state_draws.h"

namespace valley {
namespace {

constexpr std::int64_t kChainsPerBlock = 25;

// double [n] on every rank: work(first, count) for blocks of `block_size` of the n items.
at::Tensor compute_in_blocks(const Team& team, const std::string& task, std::int64_t n,
                             std::int64_t block_size, bool in_order,
                             const std::function<at::Tensor(std::int64_t, std::int64_t)>& work) {
  const SingleThreaded single_threaded;
  const Share share = team.share((n + block_size - 1) / block_size);
  const std::int64_t first = std::min(n, share.first * block_size);
  const at::Tensor own = at::empty({std::min(n, share.last * block_size) - first}, at::kDouble);
  const auto unit = [&](std::int64_t block) {
    const at::NoGradGuard no_gradients;
    const std::int64_t from = block * block_size;
    const std::int64_t count = std::min(block_size, n - from);
    own.narrow(0, from - first, count).copy_(work(from, count));
  };
  if (in_order) {
    for_each_unit_in_order(team, task, share, unit);
  } else {
    for_each_unit(team, task, share, unit);
  }
  return gather_rows(team, own, block_size, n);
}

// Entropy of Bernoulli units with probabilities sigmoid(input), summed over each row.
at::Tensor entropy(const at::Tensor& input) {
  return (at::softplus(input) - input * at::sigmoid(input)).sum(1);
}

// log p(x) + log Z, or its bound, for one sample of pixels and hidden states.
at::Tensor unnormalized(const DeepBeliefNetwork& dbn, const at::Tensor& visible,
                        StateDraws& draws) {
  at::Tensor v = dbn.rbm(0).is_gaussian() ? visible : draws.draw(visible);
  at::Tensor sum = at::zeros({v.size(0)}, v.options().dtype(at::kDouble));
  for (std::size_t i = 0; i + 1 < dbn.depth(); ++i) {
    const Rbm& rbm = dbn.rbm(i);
    const at::Tensor input = rbm.hidden_input(v);
    const at::Tensor h = draws.draw(at::sigmoid(input));
    sum += rbm.log_likelihood(v, h) + entropy(input);
    v = h;
  }
  return sum - dbn.top().free_energy(v);
}

}  // namespace

LogPartition log_partition(const Team& team, const Rbm& rbm, const AnnealingSettings& settings) {
  if (can_enumerate(rbm)) return enumerate_partition(rbm);
  const std::vector<double> temperatures = annealing_temperatures(settings.temperatures);
  const at::Tensor base = base_rates(rbm);
  const at::Tensor weights = compute_in_blocks(
      team, "log Z", settings.chains, kChainsPerBlock, rbm.weight().is_cuda(),
      [&](std::int64_t first, std::int64_t n) {
        return annealed_log_weights(rbm, base, temperatures, settings.seed, first, n);
      });
  return partition_from_weights(log_base_partition(rbm, base), weights);
}

at::Tensor log_likelihoods(const Team& team, const DeepBeliefNetwork& dbn,
                           const LabeledImages& images, double log_z, std::int64_t draws,
                           std::uint64_t seed) {
  const at::Device device = dbn.top().weight().device();
  return compute_in_blocks(
      team, "log p(x)", static_cast<std::int64_t>(images.size()), kBlockImages, device.is_cuda(),
      [&](std::int64_t first, std::int64_t n) {
        const at::Tensor v = dbn.visible_from_images(
            unit_images(images.pixels(static_cast<std::uint64_t>(first), n), device));
        StateDraws states({seed, RandomStream::kBound,
                           at::full({}, first, at::TensorOptions(device).dtype(at::kLong)), 0});
        at::Tensor sum = unnormalized(dbn, v, states);
        for (std::int64_t i = 1; i < draws; ++i) sum += unnormalized(dbn, v, states);
        return (sum / draws - log_z).to(at::kCPU);
      });
}

}  // namespace valley
