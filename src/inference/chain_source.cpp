#include "inference/chain_source.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>
#include <vector>

#include "core/error.h"
#include "inference/energy_chains.h"
#include "methods/ebm/energy_model.h"
#include "samplers/langevin_step.h"
#include "samplers/replay_buffer.h"

namespace valley {
namespace {

constexpr std::int64_t kBatch = 64;
// Updates per chain if training never restarted chains.
constexpr double kUpdatesWithoutRestart = 20;

const std::string& metadata_text(const SavedModel& saved, const std::string& key) {
  const auto found = saved.metadata.find(key);
  if (found == saved.metadata.end())
    throw Error(
        ExitCode::kData,
        "{}: its metadata has no \"{}\", which is needed to sample its energy; copy the file from "
        "its run again",
        saved.file.string(), key);
  return found->second;
}

double metadata_number(const SavedModel& saved, const std::string& key, double min) {
  const std::string& text = metadata_text(saved, key);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value >= min) ||
      !std::isfinite(value)) {
    throw Error(ExitCode::kData,
                "{}: \"{}\" is \"{}\", not a number >= {}; copy the file from its run again",
                saved.file.string(), key, text, min);
  }
  return value;
}

class ChainSource final : public SampleSource {
 public:
  ChainSource(const EnergyModel& model, const ModelOptions& options,
              const LangevinSettings& settings, at::Device device, ClassOfSeed class_of)
      : model_(model),
        options_(options),
        settings_(settings),
        device_(device),
        class_of_(model.energy().labels() > 0 ? std::move(class_of) : ClassOfSeed()) {}

  [[nodiscard]] at::Tensor pixels(std::uint64_t first, std::int64_t n) const override {
    std::vector<at::Tensor> parts;
    for (std::int64_t i = 0; i < n; i += kBatch)
      parts.push_back(batch(first + static_cast<std::uint64_t>(i), std::min(kBatch, n - i)));
    return at::cat(parts);
  }

  [[nodiscard]] std::int64_t label(std::uint64_t seed) const override {
    return class_of_ ? class_of_(seed) : -1;
  }

  [[nodiscard]] at::Device device() const override { return device_; }

 private:
  [[nodiscard]] at::Tensor batch(std::uint64_t first, std::int64_t n) const {
    const ChainPlace place{0, RandomStream::kSampleChain,
                           at::full({}, static_cast<std::int64_t>(first), at::kLong).to(device_),
                           0};
    const at::Tensor start = noise_images(first, n, options_, device_);
    return pixels_from_chains(run(first, start, place).images).to(at::kCPU);
  }

  [[nodiscard]] Chains run(std::uint64_t first, const at::Tensor& start,
                           const ChainPlace& place) const {
    const EnergyNetwork& network = model_.energy();
    if (!class_of_) return run_langevin(network, start, settings_, place);
    std::vector<std::int64_t> classes;
    for (std::int64_t i = 0; i < start.size(0); ++i)
      classes.push_back(class_of_(first + static_cast<std::uint64_t>(i)));
    const at::Tensor labels = at::tensor(classes, at::kLong).to(device_).unsqueeze(1);
    const FrozenNetwork frozen(network);
    return run_langevin(
        [&](const at::Tensor& images) {
          return network.class_energies(images).gather(1, labels).squeeze(1);
        },
        start, settings_, place);
  }

  const EnergyModel& model_;
  ModelOptions options_;
  LangevinSettings settings_;
  at::Device device_;
  ClassOfSeed class_of_;  // empty: E(x)
};

}  // namespace

LangevinSettings trained_chain_settings(const SavedModel& saved,
                                        std::optional<std::int64_t> steps) {
  const ModelOptions& o = saved.options;
  const std::int64_t max_steps = max_langevin_steps(o.resolution * o.resolution * o.channels);
  LangevinSettings settings;
  const double trained = metadata_number(saved, "objective.langevin_steps", 1);
  settings.steps = std::llround(std::min(trained, static_cast<double>(max_steps)));
  settings.step_size = metadata_number(saved, "objective.langevin_step_size", 0);
  settings.noise = metadata_number(saved, "objective.langevin_noise", 0);
  settings.clamp = metadata_number(saved, "objective.langevin_clamp", 0);
  if (metadata_text(saved, "objective.temperature") != "\"auto\"")  // quoted as in TOML
    settings = coupled(settings, metadata_number(saved, "objective.temperature", 0));
  if (steps) {
    if (*steps < 1 || *steps > max_steps)
      throw Error(ExitCode::kUsage,
                  "--steps {}: chains of images of this size need from 1 to {} steps", *steps,
                  max_steps);
    settings.steps = *steps;
  } else if (metadata_number(saved, "objective.replay_size", 0) > 0) {
    const double restart = metadata_number(saved, "objective.replay_restart", 0);
    const double updates = restart > 0 ? std::min(1 / restart, 1e6) : kUpdatesWithoutRestart;
    settings.steps = std::clamp<std::int64_t>(
        std::llround(updates * static_cast<double>(settings.steps)), 1, max_steps);
  }
  return settings;
}

std::unique_ptr<SampleSource> make_chain_source(const EnergyModel& model,
                                                const ModelOptions& options,
                                                const LangevinSettings& settings, at::Device device,
                                                ClassOfSeed class_of) {
  return std::make_unique<ChainSource>(model, options, settings, device, std::move(class_of));
}

}  // namespace valley
