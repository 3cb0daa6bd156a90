#include "inference/sample_source.h"

#include <ATen/ops/tensor.h>

#include <numeric>
#include <utility>
#include <vector>

#include "core/error.h"
#include "inference/chain_source.h"
#include "inference/gibbs_source.h"
#include "methods/dbn/networks.h"
#include "methods/ebm/energy_model.h"

namespace valley {
namespace {

class GeneratorSource final : public SampleSource {
 public:
  GeneratorSource(const Model& model, const LatentDraw& draw, at::Device device,
                  ClassOfSeed class_of)
      : model_(model),
        moments_(model.network("generator")),
        draw_(draw),
        device_(device),
        class_of_(std::move(class_of)) {
    const std::int64_t labels = model.network("generator").labels();
    if (labels == 0) class_of_ = {};
    if (labels != 0 && !class_of_)
      class_of_ = [labels](std::uint64_t seed) { return label_from_seed(seed, labels); };
  }

  [[nodiscard]] at::Tensor pixels(std::uint64_t first, std::int64_t n) const override {
    std::vector<std::uint64_t> seeds(static_cast<std::size_t>(n));
    std::iota(seeds.begin(), seeds.end(), first);
    return pixels_from_latents(model_, latents_from_seeds(seeds, draw_, device_), labels(seeds));
  }

  [[nodiscard]] std::int64_t label(std::uint64_t seed) const override {
    return class_of_ ? class_of_(seed) : -1;
  }

  [[nodiscard]] at::Device device() const override { return device_; }

 private:
  [[nodiscard]] at::Tensor labels(const std::vector<std::uint64_t>& seeds) const {
    if (!class_of_) return {};
    std::vector<std::int64_t> classes;
    for (const std::uint64_t seed : seeds) classes.push_back(class_of_(seed));
    return at::tensor(classes, at::kLong).to(device_);
  }

  const Model& model_;
  RunningMoments moments_;
  LatentDraw draw_;
  at::Device device_;
  ClassOfSeed class_of_;  // empty for models without classes
};

}  // namespace

ClassOfSeed one_class(std::int64_t label) {
  return [label](std::uint64_t) { return label; };
}

std::unique_ptr<SampleSource> make_generator_source(const Model& model, const LatentDraw& draw,
                                                    at::Device device, ClassOfSeed class_of) {
  return std::make_unique<GeneratorSource>(model, draw, device, std::move(class_of));
}

std::unique_ptr<SampleSource> make_sample_source(const SavedModel& saved, at::Device device,
                                                 std::optional<std::int64_t> chain_steps,
                                                 ClassOfSeed class_of) {
  if (const auto* energy = dynamic_cast<const EnergyModel*>(saved.model.get())) {
    return make_chain_source(*energy, saved.options, trained_chain_settings(saved, chain_steps),
                             device, std::move(class_of));
  }
  if (const auto* dbn = dynamic_cast<const DeepBeliefNetwork*>(saved.model.get())) {
    const GibbsSettings settings{chain_steps.value_or(kGibbsSteps), {}, false};
    check_gibbs(settings, saved, *dbn);
    return make_gibbs_source(*dbn, settings, device);
  }
  if (chain_steps) {
    throw Error(ExitCode::kUsage,
                "--steps is the length of chains, but {} has a generator: leave it out",
                saved.file.string());
  }
  for (const NamedNetwork& n : saved.model->networks()) {
    if (n.name == "generator")
      return make_generator_source(*saved.model, latent_draw(saved.options), device,
                                   std::move(class_of));
  }
  throw Error(ExitCode::kData, "{}: a model \"{}\" has no generator to draw samples with",
              saved.file.string(), saved.options.name);
}

}  // namespace valley
