#include "inference/sample_source.h"

#include <ATen/ops/full.h>

#include <numeric>
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
                  std::optional<std::int64_t> label)
      : model_(model),
        moments_(model.network("generator")),
        draw_(draw),
        device_(device),
        label_(label) {}

  [[nodiscard]] at::Tensor pixels(std::uint64_t first, std::int64_t n) const override {
    std::vector<std::uint64_t> seeds(static_cast<std::size_t>(n));
    std::iota(seeds.begin(), seeds.end(), first);
    const at::Tensor labels =
        label_ ? at::full({n}, *label_, at::device(device_).dtype(at::kLong))
               : labels_from_seeds(seeds, model_.network("generator").labels(), device_);
    return pixels_from_latents(model_, latents_from_seeds(seeds, draw_, device_), labels);
  }

  [[nodiscard]] at::Device device() const override { return device_; }

 private:
  const Model& model_;
  RunningMoments moments_;
  LatentDraw draw_;
  at::Device device_;
  std::optional<std::int64_t> label_;
};

}  // namespace

std::unique_ptr<SampleSource> make_generator_source(const Model& model, const LatentDraw& draw,
                                                    at::Device device,
                                                    std::optional<std::int64_t> label) {
  return std::make_unique<GeneratorSource>(model, draw, device, label);
}

std::unique_ptr<SampleSource> make_sample_source(const SavedModel& saved, at::Device device,
                                                 std::optional<std::int64_t> chain_steps) {
  if (const auto* energy = dynamic_cast<const EnergyModel*>(saved.model.get())) {
    return make_chain_source(*energy, saved.options, trained_chain_settings(saved, chain_steps),
                             device);
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
      return make_generator_source(*saved.model, latent_draw(saved.options), device);
  }
  throw Error(ExitCode::kData, "{}: a model \"{}\" has no generator to draw samples with",
              saved.file.string(), saved.options.name);
}

}  // namespace valley
