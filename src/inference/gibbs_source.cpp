#include "inference/gibbs_source.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "core/error.h"
#include "kernels/kernels.h"
#include "kernels/threads.h"
#include "methods/dbn/networks.h"
#include "samplers/gibbs.h"
#include "samplers/state_draws.h"

namespace valley {
namespace {

constexpr std::int64_t kBlock = 32;

class GibbsSource final : public SampleSource {
 public:
  GibbsSource(const DeepBeliefNetwork& dbn, const GibbsSettings& settings, at::Device device)
      : sampler_(dbn, settings, device), label_(settings.label.value_or(-1)), device_(device) {}

  [[nodiscard]] at::Tensor pixels(std::uint64_t first, std::int64_t n) const override {
    const at::Tensor images = to_symmetric(sampler_.images(first, n), PixelRange::kUnit);
    return kernels::bytes_from_images(images).to(at::kCPU);
  }
  [[nodiscard]] std::int64_t label(std::uint64_t /*seed*/) const override { return label_; }
  [[nodiscard]] at::Device device() const override { return device_; }

 private:
  GibbsSampler sampler_;
  std::int64_t label_;
  at::Device device_;
};

}  // namespace

void check_gibbs(const GibbsSettings& settings, const SavedModel& saved,
                 const DeepBeliefNetwork& dbn) {
  const GibbsDraws draws(dbn.top(), {}, RandomStream::kSampleNoise);
  if (settings.steps < 1 || settings.steps >= draws.max_steps())
    throw Error(ExitCode::kUsage, "--steps {}: chains of this network need from 1 to {} steps",
                settings.steps, draws.max_steps() - 1);
  if (!settings.label) return;
  if (dbn.output() != nullptr)
    throw Error(
        ExitCode::kUsage,
        "--label {}: {} has its classes in an output layer, which cannot condition samples; "
        "train with model.label_units=true to draw samples of a class",
        *settings.label, saved.file.string());
  if (!dbn.has_label_units())
    throw Error(ExitCode::kUsage,
                "--label {}: {} has no label units; train with model.labels and "
                "model.label_units=true to draw samples of a class",
                *settings.label, saved.file.string());
  if (*settings.label < 0 || *settings.label >= dbn.labels())
    throw Error(ExitCode::kUsage, "--label {}: the classes of {} are 0 to {}", *settings.label,
                saved.file.string(), dbn.labels() - 1);
}

GibbsSampler::GibbsSampler(const DeepBeliefNetwork& dbn, const GibbsSettings& settings,
                           at::Device device)
    : dbn_(dbn), settings_(settings), device_(device) {}

at::Tensor GibbsSampler::images(std::uint64_t first, std::int64_t n) const {
  return images(first, n, {settings_.steps}, {});
}

at::Tensor GibbsSampler::images(std::uint64_t first, std::int64_t n,
                                const std::vector<std::int64_t>& steps, const Watch& watch) const {
  const std::uint64_t last = first + static_cast<std::uint64_t>(n);
  const std::uint64_t begin = first - first % kBlock;
  const auto count = static_cast<std::int64_t>((last - begin + kBlock - 1) / kBlock);
  std::vector<std::vector<at::Tensor>> seen(
      static_cast<std::size_t>(count));  // per block and element of `steps`
  // The matrices of a block are too small for several threads: on CPUs each block has one thread.
  const std::int64_t threads = device_.is_cpu() ? at::get_num_threads() : 1;
  const SingleThreaded alone;
  for_each_on_threads(0, count, threads, [&](std::int64_t i) {
    const std::uint64_t start = begin + static_cast<std::uint64_t>(i * kBlock);
    const std::uint64_t from = std::max(first, start);
    const std::uint64_t to = std::min(last, start + kBlock);
    block(start, steps, [&](std::int64_t, const at::Tensor& all) {
      seen[static_cast<std::size_t>(i)].push_back(all.narrow(
          0, static_cast<std::int64_t>(from - start), static_cast<std::int64_t>(to - from)));
    });
  });
  at::Tensor images;
  for (std::size_t s = 0; s < steps.size(); ++s) {
    std::vector<at::Tensor> parts;
    for (const std::vector<at::Tensor>& part : seen) parts.push_back(part[s]);
    images = at::cat(parts);
    if (watch) watch(steps[s], images);
  }
  return images;
}

at::Tensor GibbsSampler::position(std::uint64_t first) const {
  return at::full({}, static_cast<std::int64_t>(first),
                  at::TensorOptions(device_).dtype(at::kLong));
}

void GibbsSampler::block(std::uint64_t first, const std::vector<std::int64_t>& steps,
                         const Watch& watch) const {
  const at::NoGradGuard no_grad;
  const Rbm& top = dbn_.top();
  const GibbsDraws draws(top, {0, RandomStream::kSampleChain, position(first), 0},
                         RandomStream::kSampleNoise);
  at::Tensor label;
  if (settings_.label) {
    label = at::zeros({kBlock, top.shape().labels}, top.weight().options());
    label.select(1, *settings_.label).fill_(1);
  }
  GibbsChain chain;
  const at::Tensor nothing = at::zeros({kBlock, top.shape().hidden}, top.weight().options());
  chain.mean = top.visible_mean(nothing);
  chain.seen.v = draws.visible(chain.mean, 0);
  if (top.shape().labels > 0)
    chain.seen.y = label.defined() ? label : draws.label(top.label_probabilities(nothing), 0);
  chain.hidden = draws.hidden(top.hidden(chain.seen.v, chain.seen.y), 0);

  std::int64_t done = 0;
  for (const std::int64_t until : steps) {
    if (until > done) chain = run_gibbs(top, chain.hidden, until - done, draws, label, done + 1);
    done = until;
    watch(done, down(chain.mean, chain.seen.v, first));
  }
}

// Top-down pass from the visible units of the top RBM to the pixels.
at::Tensor GibbsSampler::down(const at::Tensor& mean, const at::Tensor& state,
                              std::uint64_t first) const {
  if (dbn_.depth() == 1) return dbn_.images_from_visible(settings_.draws_pixels ? state : mean);
  StateDraws draws({0, RandomStream::kSampleLayers, position(first), 0});
  at::Tensor h = state;
  for (std::size_t i = dbn_.depth() - 1; i > 1; --i)
    h = draws.draw(dbn_.rbm(i - 1).visible_mean(h));
  const Rbm& bottom = dbn_.rbm(0);
  at::Tensor v = bottom.visible_mean(h);
  if (settings_.draws_pixels && bottom.is_gaussian()) {
    const at::Tensor noise = at::empty(v.sizes(), v.options());
    kernels::fill_normal(noise, {0, RandomStream::kSampleNoise, 1.0F, 0}, position(first), 0);
    v = v + noise;
  } else if (settings_.draws_pixels) {
    v = draws.draw(v);
  }
  return dbn_.images_from_visible(v);
}

std::unique_ptr<SampleSource> make_gibbs_source(const DeepBeliefNetwork& dbn,
                                                const GibbsSettings& settings, at::Device device) {
  return std::make_unique<GibbsSource>(dbn, settings, device);
}

}  // namespace valley
