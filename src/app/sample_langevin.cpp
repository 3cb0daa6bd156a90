#include "app/sample_langevin.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/strip_picture.h"
#include "core/atomic_file.h"
#include "core/error.h"
#include "core/log.h"
#include "inference/image_energy.h"
#include "models/sampling.h"
#include "samplers/replay_buffer.h"
#include "samplers/trajectory.h"
#include "storage/safetensors.h"

namespace valley::app {
namespace {

constexpr std::int64_t kBatch = 64;
constexpr std::int64_t kMostColumns = 1000;
constexpr std::int64_t kMostDrawn = 256;  // chains of a trajectory

bool ends_with(const std::string& text, const std::string& end) { return text.ends_with(end); }

// Where the chains of seeds [first, first + n) begin: float [n, C, H, W] in [0, 1].
at::Tensor start_of(const LangevinArguments& a, const SavedModel& saved, std::uint64_t first,
                    std::int64_t n) {
  if (a.from == "noise") return noise_images(first, n, saved.options, at::kCPU);
  std::vector<std::uint64_t> seeds;
  for (std::int64_t i = 0; i < n; ++i) seeds.push_back(first + static_cast<std::uint64_t>(i));
  return unit_images(
      generate_pixels(*saved.model, latents_of_seeds(seeds, latent_draw(saved.options), at::kCPU)),
      at::kCPU);
}

void require_generator(const SavedModel& saved) {
  const auto networks = saved.model->networks();
  if (std::none_of(networks.begin(), networks.end(),
                   [](const NamedNetwork& n) { return n.name == "generator"; }))
    throw Error(ExitCode::kUsage, "--from generator: {} has no generator", saved.file.string());
}

std::string to_jsonl(const std::vector<Trajectory>& pieces,
                     const std::vector<std::uint64_t>& seeds) {
  std::string lines;
  std::size_t seed = 0;
  for (const Trajectory& t : pieces) {
    for (std::int64_t chain = 0; chain < t.energies.size(1); ++chain, ++seed) {
      for (std::size_t i = 0; i < t.steps.size(); ++i) {
        const double energy = t.energies[static_cast<std::int64_t>(i)][chain].item<double>();
        lines += nlohmann::json({{"seed", seeds[seed]}, {"step", t.steps[i]}, {"energy", energy}})
                     .dump() +
                 "\n";
      }
    }
  }
  return lines;
}

// images [chains, T, H, W, C] as bytes, energies [chains, T], steps [T], seeds [chains].
void write_tensors(const std::string& file, const std::vector<Trajectory>& pieces,
                   const std::vector<std::uint64_t>& seeds) {
  std::vector<at::Tensor> images;
  std::vector<at::Tensor> energies;
  for (const Trajectory& t : pieces) {
    images.push_back((t.images * 256).clamp(0, 255).to(at::kByte).permute({1, 0, 3, 4, 2}));
    energies.push_back(t.energies.t());
  }
  const std::vector<std::int64_t> numbers(seeds.begin(), seeds.end());
  write_safetensors(file, {{{"images", at::cat(images).contiguous()},
                            {"energies", at::cat(energies).contiguous()},
                            {"steps", at::tensor(pieces.front().steps, at::kLong)},
                            {"seeds", at::tensor(numbers, at::kLong)}},
                           {}});
}

void write_trajectories(const LangevinArguments& a, const std::vector<Trajectory>& pieces,
                        const std::vector<std::uint64_t>& seeds) {
  if (!a.trajectory.empty()) {
    std::vector<std::string> names;
    for (const std::uint64_t seed : seeds) names.push_back(fmt::format("seed {}", seed));
    write_strip(a.trajectory, pieces, names);
  }
  if (a.trajectory_out.empty()) return;
  if (ends_with(a.trajectory_out, ".jsonl")) {
    write_file(a.trajectory_out, to_jsonl(pieces, seeds));
  } else {
    write_tensors(a.trajectory_out, pieces, seeds);
  }
}

}  // namespace

bool LangevinArguments::wanted() const {
  return langevin || from != "noise" || chain.step_size || chain.noise || chain.clamp ||
         !trajectory.empty() || !trajectory_out.empty();
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
      ->type_name("X");
  command
      .add_option("--chain-noise", a.chain.noise,
                  "Standard deviation of the noise in a step; default: the model's")
      ->type_name("X");
  command
      .add_option("--clamp", a.chain.clamp,
                  "Largest element of the gradient, 0: any; default: the model's")
      ->type_name("X");
  command
      .add_option("--trajectory", a.trajectory,
                  "Also a picture: a row a chain, columns over the steps, energies below")
      ->type_name("FILE.png");
  command.add_option("--columns", a.columns, "Columns of that, and steps of the file below")
      ->check(CLI::Range(std::int64_t{2}, kMostColumns))
      ->capture_default_str();
  command
      .add_option("--trajectory-out", a.trajectory_out,
                  "Also a file: energies (.jsonl), or images too (.safetensors)")
      ->type_name("FILE");
}

void check_langevin(const LangevinArguments& a, const std::vector<std::string>& other_outputs) {
  if (!a.trajectory_out.empty() && !ends_with(a.trajectory_out, ".jsonl") &&
      !ends_with(a.trajectory_out, ".safetensors"))
    throw Error(ExitCode::kUsage,
                "--trajectory-out {}: the name ends in .jsonl or .safetensors, and so says what is "
                "written",
                a.trajectory_out);
  std::vector<std::string> outputs = other_outputs;
  for (const std::string& file : {a.trajectory, a.trajectory_out}) {
    if (file.empty()) continue;
    if (std::find(outputs.begin(), outputs.end(), file) != outputs.end())
      throw Error(ExitCode::kUsage, "two outputs name the same file, {}", file);
    require_writable(file);
    outputs.push_back(file);
  }
}

at::Tensor sample_by_langevin(const LangevinArguments& a, std::optional<std::int64_t> steps,
                              const SavedModel& saved, const std::vector<std::uint64_t>& seeds) {
  const bool records = !a.trajectory.empty() || !a.trajectory_out.empty();
  if (records && static_cast<std::int64_t>(seeds.size()) > kMostDrawn)
    throw Error(ExitCode::kUsage, "--trajectory is of at most {} chains; --seeds names {}",
                kMostDrawn, seeds.size());
  if (a.from == "generator") require_generator(saved);
  const std::unique_ptr<ImageEnergy> energy = make_image_energy(saved, at::kCPU);
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
    while (end < seeds.size() && end - i < kBatch && seeds[end] == seeds[end - 1] + 1) ++end;
    const at::Tensor start = start_of(a, saved, seeds[i], static_cast<std::int64_t>(end - i));
    const ChainPlace place{0, RandomStream::kSampleChain,
                           at::full({}, static_cast<std::int64_t>(seeds[i]), at::kLong), 0};
    TrajectoryRecorder recorder(
        function, records ? spread_steps(settings.steps, a.columns) : std::vector<std::int64_t>{},
        [&](std::int64_t row) {
          return fmt::format("the chain of seed {}", seeds[i + static_cast<std::size_t>(row)]);
        });
    ChainRules rules;
    rules.watch = [&](std::int64_t done, const at::Tensor& x) { recorder.see(done, x); };
    pixels.push_back(
        pixels_of_chains(run_langevin(function, start, settings, place, rules).images));
    if (records) pieces.push_back(recorder.take());
    i = end;
  }
  if (records) write_trajectories(a, pieces, seeds);
  return at::cat(pixels);
}

}  // namespace valley::app
