#include "inference/sample_source.h"

#include <numeric>
#include <vector>

#include "core/error.h"
#include "models/sampling.h"

namespace valley {
namespace {

class GeneratorSource final : public SampleSource {
 public:
  GeneratorSource(const Generator& generator, std::int64_t latent, at::Device device)
      : generator_(generator), latent_(latent), device_(device) {}

  [[nodiscard]] at::Tensor pixels(std::uint64_t first, std::int64_t n) const override {
    std::vector<std::uint64_t> seeds(static_cast<std::size_t>(n));
    std::iota(seeds.begin(), seeds.end(), first);
    return generate_pixels(generator_, latents_of_seeds(seeds, latent_, device_), n);
  }

  [[nodiscard]] at::Device device() const override { return device_; }

 private:
  const Generator& generator_;
  std::int64_t latent_;
  at::Device device_;
};

}  // namespace

std::unique_ptr<SampleSource> make_generator_source(const Generator& generator, std::int64_t latent,
                                                    at::Device device) {
  return std::make_unique<GeneratorSource>(generator, latent, device);
}

std::unique_ptr<SampleSource> make_sample_source(const SavedModel& saved, at::Device device) {
  for (const NamedNetwork& n : saved.model->networks()) {
    if (const auto* generator = dynamic_cast<const Generator*>(n.network))
      return make_generator_source(*generator, saved.options.latent, device);
  }
  throw Error(ExitCode::kData, "{}: a model \"{}\" has no generator to draw samples with",
              saved.file.string(), saved.options.name);
}

}  // namespace valley
