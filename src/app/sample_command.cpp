#include "app/sample_command.h"

#include <ATen/ops/cat.h>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "app/device_choice.h"
#include "app/number_list.h"
#include "app/option_checks.h"
#include "app/sample_gibbs.h"
#include "app/sample_langevin.h"
#include "app/sample_trajectory.h"
#include "core/atomic_file.h"
#include "core/error.h"
#include "core/json_text.h"
#include "core/log.h"
#include "core/text.h"
#include "experiment/experiment.h"
#include "inference/chain_source.h"
#include "inference/sample_source.h"
#include "inference/saved_model.h"
#include "kernels/device.h"
#include "methods/dbn/networks.h"
#include "methods/ebm/energy_model.h"
#include "nn/sampling.h"
#include "record/image_grid.h"
#include "storage/safetensors.h"

namespace valley::app {
namespace {

constexpr const char* kSampleHelp =
    "Draw samples from a trained generator, or by chains from a trained energy or deep belief "
    "network, into a PNG.\n\n"
    "Examples:\n"
    "  valley sample runs/00007-began-64 --seeds 0-63 -o grid.png          training's own grid\n"
    "  valley sample runs/00007-began-64 --seeds 3,17 --interpolate 8 -o walk.png   8 steps\n"
    "  valley sample model.safetensors --seeds 0-15 --grid 4x4 -o grid.png          of a lone "
    "file\n"
    "  valley sample runs/00008-ebm-64 --seeds 0-15 --steps 600 -o chains.png       of an energy\n"
    "  valley sample runs/00007-began-64 --langevin --seeds 0-7 --trajectory t.png -o ends.png\n"
    "  valley sample runs/00009-dbn --seeds 0-9 --label each -o classes.png       a row a class\n"
    "  valley sample runs/00009-dbn --filters --grid 10x10 -o filters.png         its weights";

constexpr std::int64_t kMostSamples = 65536;
constexpr int kMostInRow = 4096;

struct SampleArguments {
  std::string run;
  std::string seeds = "0-63";
  std::string grid;
  std::string out;
  std::string latents_out;
  std::int64_t interpolate = 0;
  std::optional<std::int64_t> steps;
  LangevinArguments langevin;
  GibbsArguments gibbs;
  TrajectoryArguments trajectory;
  std::string device = "auto";
  bool raw = false;
  bool json = false;
};

at::Tensor walk(const at::Tensor& ends, std::int64_t steps) {
  std::vector<at::Tensor> rows;
  for (std::int64_t i = 0; i + 1 < ends.size(0); ++i)
    rows.push_back(interpolate(ends.narrow(0, i, 2), steps));
  return at::cat(rows);
}

std::optional<Grid> asked_grid(const SampleArguments& a) {
  if (a.grid.empty()) return std::nullopt;
  return parse_grid(a.grid, "--grid", ExitCode::kUsage, kMostInRow);
}

std::int64_t columns_for(const SampleArguments& a, std::int64_t n) {
  if (a.interpolate > 0) return a.interpolate;
  if (const std::optional<Grid> grid = asked_grid(a)) {
    if (grid->columns * grid->rows < n) {
      throw Error(ExitCode::kUsage, "--grid {} has {} cells for {} samples", a.grid,
                  grid->columns * grid->rows, n);
    }
    return grid->columns;
  }
  std::int64_t columns = 1;
  while (columns * columns < n) ++columns;
  return columns;
}

// How many pictures are asked for, which is known before anything is loaded.
std::int64_t samples_asked_for(const SampleArguments& a, std::int64_t seeds) {
  if (a.interpolate == 0) return seeds;
  if (a.interpolate < 2 || a.interpolate > kMostInRow || seeds < 2) {
    throw Error(ExitCode::kUsage,
                "--interpolate {}: it takes from 2 to {} steps, and at least 2 seeds to go between",
                a.interpolate, kMostInRow);
  }
  const std::int64_t n = (seeds - 1) * a.interpolate;
  if (n > kMostSamples)
    throw Error(ExitCode::kUsage, "--interpolate {} between {} seeds makes {} samples; at most {}",
                a.interpolate, seeds, n, kMostSamples);
  return n;
}

void check_outputs(const SampleArguments& a) {
  require_writable(a.out);
  check_trajectory(a.trajectory, {a.out, a.latents_out});
  if (a.latents_out.empty()) return;
  if (a.latents_out == a.out)
    throw Error(ExitCode::kUsage, "-o and --save-latents name the same file, {}", a.out);
  require_writable(a.latents_out);
}

// The distances of all pairs of many samples would take longer than the samples.
double distance_of(const at::Tensor& pixels) {
  constexpr std::int64_t kMost = 1024;
  const std::int64_t n = std::min(kMost, pixels.size(0));
  return n > 1 ? mean_pairwise_distance(pixels.narrow(0, 0, n)) : 0;
}

// Samples of a generator, and the latents that they are of.
TensorMap generate(const SampleArguments& a, const SavedModel& saved,
                   const std::vector<std::uint64_t>& seeds) {
  if (a.steps)
    throw Error(
        ExitCode::kUsage,
        "--steps is for energies, whose samples are ends of chains; {} has a generator: say "
        "--langevin for chains on its discriminator's energy",
        saved.file.string());
  at::Tensor latents = latents_of_seeds(seeds, latent_draw(saved.options), saved.device);
  if (a.interpolate > 0) latents = walk(latents, a.interpolate);
  return {{"latents", latents.to(at::kCPU)},
          {"pixels", generate_pixels(*saved.model, latents).to(at::kCPU)}};
}

void refuse_latents(const SampleArguments& a, const SavedModel& saved) {
  if (a.interpolate > 0 || !a.latents_out.empty())
    throw Error(ExitCode::kUsage,
                "{}: its samples are ends of chains that begin in images: there are no latent "
                "vectors to --interpolate or --save-latents",
                saved.file.string());
}

// Samples of an energy.
TensorMap run_chains(const SampleArguments& a, const SavedModel& saved,
                     const std::vector<std::uint64_t>& seeds) {
  refuse_latents(a, saved);
  log::info("{} chains of {} steps", seeds.size(), chain_settings(saved, a.steps).steps);
  const auto source = make_sample_source(saved, saved.device, a.steps);
  std::vector<at::Tensor> parts;
  for (std::size_t i = 0; i < seeds.size();) {
    std::size_t end = i + 1;
    while (end < seeds.size() && seeds[end] == seeds[end - 1] + 1) ++end;
    parts.push_back(source->pixels(seeds[i], static_cast<std::int64_t>(end - i)));
    i = end;
  }
  return {{"pixels", at::cat(parts)}};
}

void require_picture(const SavedModel& saved, std::int64_t n, std::int64_t columns) {
  const std::int64_t side = saved.options.resolution;
  if (!grid_fits(n, side, side, saved.options.channels, columns))
    throw Error(ExitCode::kUsage,
                "{} samples of {}x{} pixels, {} in a row, are too large a picture; take fewer "
                "--seeds, or a --grid nearer to a square",
                n, side, side, columns);
}

TensorMap draw(const SampleArguments& a, const SavedModel& saved, const DeepBeliefNetwork* dbn,
               const std::vector<std::uint64_t>& seeds) {
  const bool is_energy = dynamic_cast<const EnergyModel*>(saved.model.get()) != nullptr;
  const bool by_langevin = a.langevin.wanted() || (dbn == nullptr && a.trajectory.wanted());
  if (!by_langevin && dbn == nullptr)
    return is_energy ? run_chains(a, saved, seeds) : generate(a, saved, seeds);
  refuse_latents(a, saved);
  if (by_langevin)
    return {{"pixels", sample_by_langevin(a.langevin, a.trajectory, a.steps, saved, seeds)}};
  return {{"pixels", sample_by_gibbs(a.gibbs, a.trajectory, a.steps, saved, *dbn, seeds)}};
}

void require_network(const SampleArguments& a, const SavedModel& saved,
                     const DeepBeliefNetwork* dbn) {
  if (!a.gibbs.wanted()) return;
  if (dbn == nullptr)
    throw Error(ExitCode::kUsage,
                "--label, --pixels, --filters and --layer are for deep belief networks, which {} "
                "is not",
                saved.file.string());
  if (a.langevin.wanted())
    throw Error(ExitCode::kUsage,
                "--label, --pixels, --filters and --layer are not for Langevin chains");
}

void sample(const SampleArguments& a) {
  check_gibbs_arguments(a.gibbs);
  const std::vector<std::uint64_t> seeds = parse_numbers(a.seeds, "--seeds", "seeds", kMostSamples);
  std::int64_t n = samples_asked_for(a, static_cast<std::int64_t>(seeds.size()));
  std::int64_t columns = a.gibbs.filters ? 1 : columns_for(a, n);
  check_outputs(a);
  set_arithmetic({Precision::kFp32, false, threads_for_rank(1)});
  const SavedModel saved = load_model(a.run, a.raw ? Weights::kRaw : Weights::kAveraged,
                                      take_device(device_choice(a.device)));
  const auto* dbn = dynamic_cast<const DeepBeliefNetwork*>(saved.model.get());
  require_network(a, saved, dbn);
  if (a.gibbs.filters) {
    draw_filters(a.gibbs, asked_grid(a), a.out, a.json, saved, *dbn);
    return;
  }
  if (a.gibbs.each()) {
    n *= static_cast<std::int64_t>(classes_of(a.gibbs, saved, *dbn).size());
    columns = a.grid.empty() ? static_cast<std::int64_t>(seeds.size()) : columns_for(a, n);
  }
  require_picture(saved, n, columns);
  const TensorMap drawn = draw(a, saved, dbn, seeds);
  const at::Tensor& pixels = drawn.at("pixels");
  write_grid(a.out,
             {pixels.const_data_ptr<std::uint8_t>(), static_cast<std::size_t>(pixels.numel())}, n,
             pixels.size(1), pixels.size(2), pixels.size(3), columns);
  if (!a.latents_out.empty()) write_safetensors(a.latents_out, {drawn, {}});
  const double distance = distance_of(pixels);
  if (a.json) {
    print_json_text(write_json(nlohmann::json({{"file", a.out},
                                               {"samples", n},
                                               {"model", saved.file.string()},
                                               {"averaged", saved.averaged},
                                               {"mean_pairwise_distance", distance}})));
  } else {
    print_to_stdout("{}: {} samples of {} ({} weights), mean pairwise distance {:.4f}\n", a.out, n,
                    saved.file.string(), saved.averaged ? "averaged" : "raw", distance);
  }
}

}  // namespace

void add_sample_command(CLI::App& app) {
  auto a = std::make_shared<SampleArguments>();
  CLI::App* command = app.add_subcommand("sample", kSampleHelp);
  command->add_option("run", a->run, "A run directory, a checkpoint or a model.safetensors")
      ->required()
      ->type_name("RUN");
  command->add_option("--seeds", a->seeds, "Which samples: a latent vector, or a chain, a seed")
      ->capture_default_str();
  command->add_option("--grid", a->grid,
                      "Columns x rows of the picture; default: as square as the number allows");
  command
      ->add_option("--interpolate", a->interpolate,
                   "Steps of a straight walk from each seed to the next, a row each")
      ->transform(number_range<std::int64_t>());
  command
      ->add_option("--steps", a->steps,
                   "Langevin steps from noise to a sample of an energy, by default as many as "
                   "training's chains have; Gibbs steps to one of a deep belief network [1000]")
      ->transform(number_range<std::int64_t>())
      ->type_name("N");
  add_langevin_options(*command, a->langevin);
  add_gibbs_options(*command, a->gibbs);
  add_trajectory_options(*command, a->trajectory);
  command->add_option("-o,--out", a->out, "The PNG to write")
      ->required()
      ->check(png_name())
      ->type_name("FILE.png");
  command
      ->add_option("--save-latents", a->latents_out, "Also write latents and pixels as safetensors")
      ->type_name("FILE.safetensors");
  command->add_flag("--raw", a->raw, "The weights themselves instead of their moving average");
  add_device_option(*command, a->device, "Where samples are computed");
  command->add_flag("--json", a->json, "What was written, as JSON on stdout");
  command->callback([a] { sample(*a); });
}

}  // namespace valley::app
