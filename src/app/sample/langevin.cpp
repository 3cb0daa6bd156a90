#include "app/sample/langevin.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>

#include <algorithm>

#include "app/number_lists.h"
#include "app/options.h"
#include "core/error.h"
#include "core/log.h"
#include "inference/image_energy.h"
#include "nn/sampling.h"
#include "samplers/replay_buffer.h"
#include "samplers/trajectory.h"

namespace valley::app {
namespace {

constexpr std::size_t kMaxLangevinBatch = 64;

// Initial images of the chains of seeds [first, first + n): float [n, C, H, W] in [0, 1].
at::Tensor initial_images(const LangevinArguments& a, const SavedModel& saved, std::uint64_t first,
                          std::int64_t n) {
  if (a.from == "noise") return noise_images(first, n, saved.options, saved.device);
  std::vector<std::uint64_t> seeds;
  for (std::int64_t i = 0; i < n; ++i) seeds.push_back(first + static_cast<std::uint64_t>(i));
  return unit_images(
      generate_pixels(*saved.model,
                      latents_from_seeds(seeds, latent_draw(saved.options), saved.device),
                      static_cast<std::int64_t>(kMaxLangevinBatch),
                      labels_from_seeds(seeds, saved.options.labels, saved.device)),
      saved.device);
}

void require_generator(const SavedModel& saved) {
  const auto networks = saved.model->networks();
  if (std::none_of(networks.begin(), networks.end(),
                   [](const NamedNetwork& n) { return n.name == "generator"; }))
    throw Error(ExitCode::kUsage, "--from generator: {} has no generator", saved.file.string());
}

struct LangevinBatch {
  at::Tensor pixels;  // uint8 [n, H, W, C], on the host
  Trajectory trajectory;
};

// Runs the chains of seeds [first, first + n) from n initial images.
LangevinBatch run_batch(const ImageEnergy& energy, const at::Tensor& initial,
                        const LangevinSettings& settings, std::uint64_t first,
                        const std::vector<std::int64_t>& recorded_steps) {
  const EnergyFunction function = [&](const at::Tensor& x) { return energy.energy(x); };
  const ChainPlace place{0, RandomStream::kSampleChain,
                         at::full({}, static_cast<std::int64_t>(first),
                                  at::TensorOptions(initial.device()).dtype(at::kLong)),
                         0};
  TrajectoryRecorder recorder(function, recorded_steps, [&](std::int64_t row) {
    return fmt::format("the chain of seed {}", first + static_cast<std::uint64_t>(row));
  });
  ChainRules rules;
  rules.watch = [&](std::int64_t done, const at::Tensor& x) { recorder.see(done, x); };
  const at::Tensor images = run_langevin(function, initial, settings, place, rules).images;
  LangevinBatch batch{pixels_from_chains(images).to(at::kCPU), {}};
  if (!recorded_steps.empty()) batch.trajectory = recorder.take();
  return batch;
}

}  // namespace

bool LangevinArguments::is_requested() const {
  return langevin || from != "noise" || chain.step_size || chain.noise || chain.clamp;
}

void add_langevin_options(CLI::App& command, LangevinArguments& a) {
  command.add_flag("--langevin", a.langevin,
                   "Draw samples by Langevin chains on the energy, also from a model with a "
                   "generator. Implied by --from, --step-size, --chain-noise and --clamp");
  command
      .add_option("--from", a.from,
                  "Initial images of Langevin chains: uniform noise, or samples of the generator")
      ->check(CLI::IsMember({"noise", "generator"}))
      ->capture_default_str();
  add_chain_options(command, a.chain);
}

at::Tensor sample_by_langevin(const LangevinArguments& a, const TrajectoryArguments& trajectory,
                              std::optional<std::int64_t> steps, const SavedModel& saved,
                              const std::vector<std::uint64_t>& seeds) {
  require_recordable(trajectory, seeds.size());
  if (a.from == "generator") require_generator(saved);
  const std::unique_ptr<ImageEnergy> energy = make_image_energy(saved, saved.device);
  ChainRequest request = a.chain;
  request.steps = steps;
  const LangevinSettings settings = make_chain_settings(saved, *energy, request);
  log::info("{} chains of {} steps from {}: step size {:.4g}, noise {:.4g}, clamp {:.4g}",
            seeds.size(), settings.steps, a.from, settings.step_size, settings.noise,
            settings.clamp);
  std::vector<std::int64_t> recorded_steps;
  if (trajectory.is_requested()) recorded_steps = spread_steps(settings.steps, trajectory.columns);
  std::vector<at::Tensor> pixels;
  std::vector<Trajectory> pieces;
  for (const auto& [begin, size] : split_consecutive(seeds, kMaxLangevinBatch)) {
    const auto n = static_cast<std::int64_t>(size);
    const LangevinBatch batch = run_batch(*energy, initial_images(a, saved, seeds[begin], n),
                                          settings, seeds[begin], recorded_steps);
    pixels.push_back(batch.pixels);
    if (trajectory.is_requested()) pieces.push_back(batch.trajectory);
  }
  std::vector<ChainName> chains;
  for (const std::uint64_t seed : seeds) chains.push_back({seed, {}});
  write_trajectories(trajectory, pieces, chains);
  return at::cat(pixels);
}

}  // namespace valley::app
