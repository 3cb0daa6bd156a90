#include "run/evaluator.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "evaluate/class_evaluation.h"
#include "inference/sample_source.h"
#include "kernels/device.h"
#include "nn/sampling.h"

namespace valley {
namespace {

// Samples that were drawn before.
class StoredSource final : public SampleSource {
 public:
  explicit StoredSource(at::Tensor pixels) : pixels_(std::move(pixels)) {}
  [[nodiscard]] at::Tensor pixels(std::uint64_t first, std::int64_t n) const override {
    return pixels_.narrow(0, static_cast<std::int64_t>(first), n);
  }
  [[nodiscard]] std::int64_t count() const { return pixels_.size(0); }

 private:
  at::Tensor pixels_;
};

}  // namespace

std::string describe(const RunEvaluation& found) {
  std::string text = fmt::format("evaluated {} samples:", found.samples);
  const char* separator = " ";
  for (const char* name : {"swd", "ms_ssim", "distance_ratio", "density", "coverage"}) {
    for (const Metric& m : found.metrics) {
      if (m.name != name) continue;
      text += fmt::format("{}{} {:.4g} (floor {:.4g})", separator, name, m.value, m.floor);
      separator = ", ";
    }
  }
  return text;
}

void require_evaluable(const Experiment& experiment, const Dataset& dataset) {
  if (experiment.evaluate.every == 0) return;
  require_measurable(dataset.height(), dataset.width(), experiment.data.path);
  static_cast<void>(count_samples(experiment.evaluate.samples, dataset.size(), std::nullopt,
                                  experiment.data.path));
}

RunEvaluator::RunEvaluator(World& world, const Experiment& experiment,
                           std::shared_ptr<const Dataset> dataset)
    : world_(world), experiment_(experiment), dataset_(std::move(dataset)) {
  const SampleCount count = count_samples(experiment.evaluate.samples, dataset_->size(),
                                          std::nullopt, experiment.data.path);
  wanted_ = count.images;
  if (world.rank() == 0 && !count.limit.empty())
    log::warn("evaluate.samples = {}: {}", experiment.evaluate.samples, count.limit);
}

std::optional<RunEvaluation> RunEvaluator::evaluate(const Trainer& trainer) {
  const std::unique_ptr<SampleSource> source = source_of(trainer);
  std::int64_t count = wanted_;
  if (const auto* stored = dynamic_cast<const StoredSource*>(source.get()))
    count = std::min(count, stored->count());
  if (count < kMinImages) {
    if (world_.rank() == 0 && !is_warned_)
      log::warn(
          "evaluate.every = {}: no evaluation, because the {} chains of rank 0 are too few to "
          "compare with data; set train.global_batch to at least {}, or leave evaluate.every out",
          experiment_.evaluate.every, count, kMinImages * world_.size());
    is_warned_ = true;
    return std::nullopt;
  }
  prepare(count);
  return RunEvaluation{samples_, evaluator_->evaluate(*source)};
}

std::unique_ptr<SampleSource> RunEvaluator::source_of(const Trainer& trainer) {
  if (trainer.model().has_network("generator"))
    return make_generator_source(
        trainer.sampled_model(), latent_draw(experiment_.model), world_.device().device(),
        classes_as_in(dataset_, experiment_.seed(), wanted_, experiment_.model.labels));
  at::Tensor pixels;
  if (world_.rank() == 0) pixels = trainer.sample(wanted_).contiguous();
  const at::Tensor count = at::full({}, world_.rank() == 0 ? pixels.size(0) : 0, at::kLong);
  world_.host().broadcast(count, 0)->wait();
  if (world_.rank() != 0)
    pixels = at::empty(
        {count.item<std::int64_t>(), dataset_->height(), dataset_->width(), dataset_->channels()},
        at::kByte);
  world_.host().broadcast(pixels, 0)->wait();
  return std::make_unique<StoredSource>(pixels);
}

void RunEvaluator::prepare(std::int64_t samples) {
  if (evaluator_ && samples == samples_) return;
  const auto threads = static_cast<int>(
      experiment_.train.threads.value_or(threads_for_rank(world_.host().local_size())));
  evaluator_ = std::make_unique<Evaluator>(
      Team{&world_.host(), threads, {}}, choose_real_images(dataset_, samples, experiment_.seed()),
      experiment_.seed());
  samples_ = samples;
}

}  // namespace valley
