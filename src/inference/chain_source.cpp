#include "inference/chain_source.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "inference/energy_chains.h"
#include "methods/ebm/energy_model.h"
#include "samplers/replay_buffer.h"

namespace valley {
namespace {

constexpr std::int64_t kBatch = 64;
// Of chains that training never began again: visits to the buffer.
constexpr double kManyVisits = 20;

const std::string& text_of(const SavedModel& saved, const std::string& key) {
  const auto found = saved.metadata.find(key);
  if (found == saved.metadata.end())
    throw Error(ExitCode::kData,
                "{}: its metadata has no \"{}\", which says how to sample its energy",
                saved.file.string(), key);
  return found->second;
}

double number_of(const SavedModel& saved, const std::string& key, double least) {
  const std::string& text = text_of(saved, key);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value >= least) ||
      !std::isfinite(value)) {
    throw Error(ExitCode::kData, "{}: \"{}\" is \"{}\", not a number of at least {}",
                saved.file.string(), key, text, least);
  }
  return value;
}

class ChainSource final : public SampleSource {
 public:
  ChainSource(const EnergyModel& model, const ModelOptions& options,
              const LangevinSettings& settings, at::Device device)
      : model_(model), options_(options), settings_(settings), device_(device) {}

  [[nodiscard]] at::Tensor pixels(std::uint64_t first, std::int64_t n) const override {
    std::vector<at::Tensor> parts;
    for (std::int64_t i = 0; i < n; i += kBatch)
      parts.push_back(batch(first + static_cast<std::uint64_t>(i), std::min(kBatch, n - i)));
    return at::cat(parts);
  }

  [[nodiscard]] at::Device device() const override { return device_; }

 private:
  [[nodiscard]] at::Tensor batch(std::uint64_t first, std::int64_t n) const {
    const ChainPlace place{0, RandomStream::kSampleChain,
                           at::full({}, static_cast<std::int64_t>(first), at::kLong).to(device_),
                           0};
    const at::Tensor start = noise_images(first, n, options_, device_);
    return pixels_of_chains(run_langevin(model_.energy(), start, settings_, place).images)
        .to(at::kCPU);
  }

  const EnergyModel& model_;
  ModelOptions options_;
  LangevinSettings settings_;
  at::Device device_;
};

}  // namespace

LangevinSettings chain_settings(const SavedModel& saved, std::optional<std::int64_t> steps) {
  const ModelOptions& o = saved.options;
  const std::int64_t most = most_langevin_steps(o.resolution * o.resolution * o.channels);
  LangevinSettings settings;
  const double trained = number_of(saved, "objective.langevin_steps", 1);
  settings.steps = std::llround(std::min(trained, static_cast<double>(most)));
  settings.step_size = number_of(saved, "objective.langevin_step_size", 0);
  settings.noise = number_of(saved, "objective.langevin_noise", 0);
  settings.clamp = number_of(saved, "objective.langevin_clamp", 0);
  if (text_of(saved, "objective.temperature") != "\"auto\"")  // as TOML has it
    settings = coupled(settings, number_of(saved, "objective.temperature", 0));
  if (steps) {
    if (*steps < 1 || *steps > most)
      throw Error(ExitCode::kUsage, "--steps {}: chains of these images can take from 1 to {}",
                  *steps, most);
    settings.steps = *steps;
  } else if (number_of(saved, "objective.replay_size", 0) > 0) {
    const double restart = number_of(saved, "objective.replay_restart", 0);
    const double visits = restart > 0 ? std::min(1 / restart, 1e6) : kManyVisits;
    settings.steps = std::clamp<std::int64_t>(
        std::llround(visits * static_cast<double>(settings.steps)), 1, most);
  }
  return settings;
}

std::unique_ptr<SampleSource> make_chain_source(const EnergyModel& model,
                                                const ModelOptions& options,
                                                const LangevinSettings& settings,
                                                at::Device device) {
  return std::make_unique<ChainSource>(model, options, settings, device);
}

}  // namespace valley
