#include "app/sample_langevin.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>

#include <algorithm>

#include "app/option_checks.h"
#include "core/error.h"
#include "core/log.h"
#include "inference/image_energy.h"
#include "nn/sampling.h"
#include "samplers/replay_buffer.h"
#include "samplers/trajectory.h"

namespace valley::app {
namespace {

constexpr std::int64_t kLangevinBatch = 64;

// Where the chains of seeds [first, first + n) begin: float [n, C, H, W] in [0, 1].
at::Tensor start_of(const LangevinArguments& a, const SavedModel& saved, std::uint64_t first,
                    std::int64_t n) {
  if (a.from == "noise") return noise_images(first, n, saved.options, saved.device);
  std::vector<std::uint64_t> seeds;
  for (std::int64_t i = 0; i < n; ++i) seeds.push_back(first + static_cast<std::uint64_t>(i));
  return unit_images(
      generate_pixels(*saved.model,
                      latents_of_seeds(seeds, latent_draw(saved.options), saved.device)),
      saved.device);
}

void require_generator(const SavedModel& saved) {
  const auto networks = saved.model->networks();
  if (std::none_of(networks.begin(), networks.end(),
                   [](const NamedNetwork& n) { return n.name == "generator"; }))
    throw Error(ExitCode::kUsage, "--from generator: {} has no generator", saved.file.string());
}

}  // namespace

bool LangevinArguments::wanted() const {
  return langevin || from != "noise" || chain.step_size || chain.noise || chain.clamp;
}

void add_langevin_options(CLI::App& command, LangevinArguments& a) {
  command.add_flag("--langevin", a.langevin,
                   "Draw by Langevin chains on the energy, of models with a generator too; the "
                   "options that follow are for them, and ask for them");
  command
      .add_option("--from", a.from, "Where chains begin: uniform noise, or the generator's samples")
      ->check(CLI::IsMember({"noise", "generator"}))
      ->capture_default_str();
  command
      .add_option("--step-size", a.chain.step_size,
                  "What the gradient is multiplied by in a step; default: the model's")
      ->transform(number_range<double>())
      ->type_name("X");
  command
      .add_option("--chain-noise", a.chain.noise,
                  "Standard deviation of the noise in a step; default: the model's")
      ->transform(number_range<double>())
      ->type_name("X");
  command
      .add_option("--clamp", a.chain.clamp,
                  "Largest element of the gradient, 0: any; default: the model's")
      ->transform(number_range<double>())
      ->type_name("X");
}

at::Tensor sample_by_langevin(const LangevinArguments& a, const TrajectoryArguments& way,
                              std::optional<std::int64_t> steps, const SavedModel& saved,
                              const std::vector<std::uint64_t>& seeds) {
  require_recordable(way, seeds.size());
  if (a.from == "generator") require_generator(saved);
  const std::unique_ptr<ImageEnergy> energy = make_image_energy(saved, saved.device);
  ChainRequest request = a.chain;
  request.steps = steps;
  const LangevinSettings settings = chain_settings_of(saved, *energy, request);
  log::info("{} chains of {} steps from {}: step size {:.4g}, noise {:.4g}, clamp {:.4g}",
            seeds.size(), settings.steps, a.from, settings.step_size, settings.noise,
            settings.clamp);
  const EnergyFunction function = [&](const at::Tensor& x) { return energy->energy(x); };
  std::vector<at::Tensor> pixels;
  std::vector<Trajectory> pieces;
  for (std::size_t i = 0; i < seeds.size();) {
    std::size_t end = i + 1;
    while (end < seeds.size() && end - i < kLangevinBatch && seeds[end] == seeds[end - 1] + 1)
      ++end;
    const at::Tensor start = start_of(a, saved, seeds[i], static_cast<std::int64_t>(end - i));
    const ChainPlace place{0, RandomStream::kSampleChain,
                           at::full({}, static_cast<std::int64_t>(seeds[i]),
                                    at::TensorOptions(saved.device).dtype(at::kLong)),
                           0};
    TrajectoryRecorder recorder(
        function,
        way.wanted() ? spread_steps(settings.steps, way.columns) : std::vector<std::int64_t>{},
        [&](std::int64_t row) {
          return fmt::format("the chain of seed {}", seeds[i + static_cast<std::size_t>(row)]);
        });
    ChainRules rules;
    rules.watch = [&](std::int64_t done, const at::Tensor& x) { recorder.see(done, x); };
    pixels.push_back(pixels_of_chains(run_langevin(function, start, settings, place, rules).images)
                         .to(at::kCPU));
    if (way.wanted()) pieces.push_back(recorder.take());
    i = end;
  }
  std::vector<ChainName> chains;
  for (const std::uint64_t seed : seeds) chains.push_back({seed, {}});
  write_trajectories(way, pieces, chains);
  return at::cat(pixels);
}

}  // namespace valley::app
