#include "inference/gibbs_restorer.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/reciprocal.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/square.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>

#include "core/error.h"
#include "methods/dbn/networks.h"
#include "samplers/gibbs.h"

namespace valley {
namespace {

constexpr std::int64_t kDefaultGibbsRestoreSteps = 200;

// Known values of the visible units, with their precision relative to P(v | h).
struct Known {
  at::Tensor held;       // bool [B, visible]: exactly known
  at::Tensor value;      // float [B, visible]
  at::Tensor precision;  // float [B, visible], in the units of v; 0: unknown
};

class GibbsRestorer final : public Restorer {
 public:
  GibbsRestorer(const DeepBeliefNetwork& dbn, std::int64_t steps, double weight, at::Device device)
      : dbn_(dbn), rbm_(dbn.top()), steps_(steps), weight_(weight), device_(device) {}

  [[nodiscard]] at::Tensor restore(const RestoreTask& task) const override {
    const at::NoGradGuard no_grad;
    const Known known = known_values(task);
    const GibbsDraws draws(rbm_, chain_place(task), RandomStream::kSampleNoise);
    at::Tensor v = dbn_.visible_from_images(task.start.to(device_));
    at::Tensor y;
    at::Tensor mean = v;
    at::Tensor sum = at::zeros_like(v);
    if (task.watch) task.watch(0, task.start);
    for (std::int64_t step = 0; step < steps_; ++step) {
      const at::Tensor h = draws.hidden(rbm_.hidden(v, y), step);
      if (rbm_.shape().labels > 0) y = draws.label(rbm_.label_probabilities(h), step);
      v = draw(known, rbm_.visible_input(h), draws, step, mean);
      if (step >= steps_ / 2) sum += mean;
      if (task.watch) task.watch(step + 1, result(task, mean));
    }
    return result(task, sum / (steps_ - steps_ / 2));
  }
  [[nodiscard]] std::int64_t steps() const override { return steps_; }
  [[nodiscard]] std::string describe() const override {
    return fmt::format("gibbs: mean of the second half of {} steps, weight {:.4g}", steps_,
                       weight_);
  }

 private:
  [[nodiscard]] ChainPlace chain_place(const RestoreTask& task) const {
    return {task.seed, RandomStream::kRestoreChain,
            at::full({}, static_cast<std::int64_t>(task.position),
                     at::TensorOptions(device_).dtype(at::kLong)),
            0};
  }

  [[nodiscard]] Known known_values(const RestoreTask& task) const {
    const at::Tensor damaged = task.damaged.to(device_);
    const at::Tensor unknown = task.unknown.to(device_).expand(damaged.sizes()).flatten(1);
    Known known;
    known.value = dbn_.visible_from_images(damaged);
    known.held = task.noise == 0 ? unknown.logical_not() : at::zeros_like(unknown);
    known.precision = at::zeros_like(known.value);
    if (task.noise > 0) {
      // Pixel difference per unit of v; Gaussian units are standardized.
      const at::Tensor one = at::ones_like(known.value);
      const at::Tensor per_pixel = rbm_.from_unit(one) - rbm_.from_unit(at::zeros_like(one));
      const at::Tensor precision =
          at::reciprocal(at::square(per_pixel)) * (weight_ / (task.noise * task.noise));
      known.precision = at::where(unknown, known.precision, precision);
    }
    return known;
  }

  // Draws visible units given their input and the known values. Sets `mean` to their means.
  [[nodiscard]] at::Tensor draw(const Known& known, const at::Tensor& input,
                                const GibbsDraws& draws, std::int64_t step,
                                at::Tensor& mean) const {
    at::Tensor drawn;
    if (rbm_.is_gaussian()) {
      const at::Tensor variance = at::reciprocal(known.precision + 1);
      mean = (input + known.value * known.precision) * variance;
      drawn = mean + draws.visible(at::zeros_like(mean), step) * at::sqrt(variance);
    } else {
      // log N(y; 1, s^2) - log N(y; 0, s^2) = (y - 1/2) / s^2
      mean = at::sigmoid(input + (known.value - 0.5) * known.precision);
      drawn = draws.visible(mean, step);
    }
    mean = at::where(known.held, known.value, mean);
    return at::where(known.held, known.value, drawn);
  }

  // Pixels known without noise are copied.
  [[nodiscard]] at::Tensor result(const RestoreTask& task, const at::Tensor& v) const {
    const at::Tensor images = dbn_.images_from_visible(v).to(at::kCPU);
    return task.noise == 0 ? at::where(task.unknown, images, task.damaged) : images;
  }

  const DeepBeliefNetwork& dbn_;
  const Rbm& rbm_;
  std::int64_t steps_;
  double weight_;
  at::Device device_;
};

}  // namespace

std::unique_ptr<Restorer> make_gibbs_restorer(const DeepBeliefNetwork& dbn,
                                              const RestoreRequest& request, at::Device device) {
  const ChainRequest& chain = request.chain;
  if (chain.step_size || chain.noise || chain.clamp)
    throw Error(ExitCode::kUsage,
                "--step-size, --chain-noise and --clamp are for Langevin chains, not for --method "
                "gibbs: leave them out");
  if (dbn.depth() > 1)
    throw Error(
        ExitCode::kUsage,
        "--method gibbs is for a single restricted Boltzmann machine, and this network has {}; "
        "take gradient or langevin",
        dbn.depth());
  const std::int64_t steps = chain.steps.value_or(kDefaultGibbsRestoreSteps);
  const std::int64_t max_steps = GibbsDraws(dbn.top(), {}, RandomStream::kSampleNoise).max_steps();
  if (steps < 1 || steps > max_steps)
    throw Error(ExitCode::kUsage, "--steps {}: it must be from 1 to {}", steps, max_steps);
  return std::make_unique<GibbsRestorer>(dbn, steps, request.weight.value_or(1), device);
}

}  // namespace valley
