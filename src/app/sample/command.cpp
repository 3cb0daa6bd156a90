#include <ATen/ops/cat.h>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "app/commands.h"
#include "app/number_lists.h"
#include "app/options.h"
#include "app/print_result.h"
#include "app/sample/animation.h"
#include "app/sample/gibbs.h"
#include "app/sample/labels.h"
#include "app/sample/langevin.h"
#include "app/sample/latents.h"
#include "app/sample/many/many.h"
#include "app/sample/trajectory.h"
#include "core/atomic_file.h"
#include "core/error.h"
#include "core/json_text.h"
#include "core/log.h"
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
    "Draw samples of a trained model into a PNG: from its generator, or by chains on its energy or "
    "in its deep belief network.\n\n"
    "Examples:\n"
    "  valley sample runs/00007-began-64 --seeds 0-63 -o grid.png          as in training\n"
    "  valley sample runs/00007-began-64 --seeds 3,17 --interpolate 8 -o walk.png   8 steps\n"
    "  valley sample runs/00007-began-64 --seeds 3,17,5 --interpolate 30 --loop -o walk.gif\n"
    "  valley sample model.safetensors --seeds 0-15 --grid 4x4 -o grid.png          one file\n"
    "  valley sample runs/00008-ebm-64 --seeds 0-15 --steps 600 -o chains.png       an energy\n"
    "  valley sample runs/00007-began-64 --langevin --seeds 0-7 --trajectory t.png -o ends.png\n"
    "  valley sample RUN --seeds 0-9 --label each -o classes.png                  row per class\n"
    "  valley sample RUN --seeds 0-3 --label 3..8 --interpolate 8 -o walk.png     3 to 8\n"
    "  mpirun -n 4 valley sample RUN --count 50000 --to drawn              PNGs, for evaluation\n"
    "  valley sample runs/00009-dbn --filters --grid 10x10 -o filters.png         weights";

constexpr std::int64_t kMaxSamples = 65536;
constexpr int kMaxPerRow = 4096;

struct SampleArguments {
  std::string run;
  std::string seeds = "0-63";
  std::string grid;
  std::string out;
  std::string latents_out;
  LatentArguments latents;
  AnimationArguments animation;
  ManyArguments many;
  std::optional<std::int64_t> steps;
  LangevinArguments langevin;
  GibbsArguments gibbs;
  TrajectoryArguments trajectory;
  std::string device = "auto";
  bool raw = false;
  bool json = false;
};

std::optional<Grid> requested_grid(const SampleArguments& a) {
  if (a.grid.empty()) return std::nullopt;
  return parse_grid(a.grid, "--grid", ExitCode::kUsage, kMaxPerRow);
}

std::int64_t columns_for(const SampleArguments& a, std::int64_t n) {
  if (a.latents.interpolate > 0) return a.latents.interpolate;
  if (const std::optional<Grid> grid = requested_grid(a)) {
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

void check_outputs(const SampleArguments& a, std::int64_t frames) {
  check_animation(a.animation, a.out, frames, 0);
  if (!is_animation(a.out)) {
    require_writable(a.out);
  } else if (!a.grid.empty()) {
    throw Error(ExitCode::kUsage, "--grid is for a single PNG, but {} has frames: leave one out",
                a.out);
  }
  check_trajectory(a.trajectory, {a.out, a.latents_out});
  if (a.latents_out.empty()) return;
  if (a.latents_out == a.out)
    throw Error(ExitCode::kUsage, "-o and --save-latents name the same file, {}", a.out);
  require_writable(a.latents_out);
}

// Uses the first samples only, because the pairs of many take longer than drawing them.
double sampled_distance(const at::Tensor& pixels) {
  constexpr std::int64_t kMax = 1024;
  const std::int64_t n = std::min(kMax, pixels.size(0));
  return n > 1 ? mean_pairwise_distance(pixels.narrow(0, 0, n)) : 0;
}

// Samples of a generator, with their latent vectors: `ends`, or those of `seeds`.
TensorMap generate(const SampleArguments& a, const SavedModel& saved,
                   const std::vector<std::uint64_t>& seeds, const at::Tensor& ends) {
  if (a.steps)
    throw Error(
        ExitCode::kUsage,
        "--steps is the length of chains, but {} has a generator; add --langevin for chains on its "
        "discriminator's energy, or leave --steps out",
        saved.file.string());
  const at::Tensor given =
      ends.defined() ? ends.to(saved.device)
                     : latents_from_seeds(seeds, latent_draw(saved.options), saved.device);
  if (saved.options.labels > 0)
    return generate_classes(parse_label(a.gibbs.label), a.latents, saved, given, seeds,
                            is_animation(a.out));
  const at::Tensor latents = interpolate_ends(a.latents, given, saved, is_animation(a.out));
  return {{"latents", latents.to(at::kCPU)},
          {"pixels", generate_pixels(*saved.model, latents).to(at::kCPU)}};
}

void reject_latent_options(const SampleArguments& a, const SavedModel& saved) {
  if (a.latents.is_requested() || !a.latents_out.empty())
    throw Error(ExitCode::kUsage,
                "{}: its samples come from chains and have no latent vectors: leave out "
                "--latents, --interpolate, --path, --loop and --save-latents",
                saved.file.string());
}

// Samples of an energy.
TensorMap run_chains(const SampleArguments& a, const SavedModel& saved,
                     const std::vector<std::uint64_t>& seeds) {
  reject_latent_options(a, saved);
  const std::optional<LabelChoice> choice = parse_label(a.gibbs.label);
  std::vector<ClassOfSeed> rows{{}};  // one row of samples per class
  if (choice) {
    rows.clear();
    for (const std::int64_t label :
         chosen_classes(*choice, saved.options.labels, saved.file.string()))
      rows.push_back(one_class(label));
  }
  log::info("{} chains of {} steps", seeds.size() * rows.size(),
            trained_chain_settings(saved, a.steps).steps);
  std::vector<at::Tensor> parts;
  for (const ClassOfSeed& class_of : rows) {
    const auto source = make_sample_source(saved, saved.device, a.steps, class_of);
    for (const auto& [begin, size] : split_consecutive(seeds, seeds.size()))
      parts.push_back(source->pixels(seeds[begin], static_cast<std::int64_t>(size)));
  }
  return {{"pixels", at::cat(parts)}};
}

void require_grid_fits(const SavedModel& saved, std::int64_t n, std::int64_t columns) {
  const std::int64_t side = saved.options.resolution;
  if (!grid_fits(n, side, side, saved.options.channels, columns))
    throw Error(
        ExitCode::kUsage,
        "{} samples of {}x{} pixels, {} per row, do not fit in one PNG; take fewer --seeds, "
        "or a --grid nearer to a square",
        n, side, side, columns);
}

TensorMap draw(const SampleArguments& a, const SavedModel& saved, const DeepBeliefNetwork* dbn,
               const std::vector<std::uint64_t>& seeds, const at::Tensor& ends) {
  const bool is_energy = dynamic_cast<const EnergyModel*>(saved.model.get()) != nullptr;
  const bool by_langevin =
      a.langevin.is_requested() || (dbn == nullptr && a.trajectory.is_requested());
  if (!by_langevin && dbn == nullptr)
    return is_energy ? run_chains(a, saved, seeds) : generate(a, saved, seeds, ends);
  reject_latent_options(a, saved);
  if (by_langevin)
    return {{"pixels", sample_by_langevin(a.langevin, a.trajectory, a.steps, saved, seeds)}};
  return {{"pixels", sample_by_gibbs(a.gibbs, a.trajectory, a.steps, saved, *dbn, seeds)}};
}

void require_gibbs_possible(const SampleArguments& a, const SavedModel& saved,
                            const DeepBeliefNetwork* dbn) {
  if (!a.gibbs.is_requested()) return;
  require_gibbs_model(saved, dbn);
  if (a.langevin.is_requested())
    throw Error(ExitCode::kUsage,
                "--pixels, --filters and --layer cannot be used with Langevin chains");
}

void require_classes(const SampleArguments& a, const SavedModel& saved,
                     const DeepBeliefNetwork* dbn) {
  if (a.gibbs.label.empty()) return;
  if (a.langevin.is_requested())
    throw Error(ExitCode::kUsage, "--label cannot be used with Langevin chains");
  if (dbn == nullptr) require_conditional(saved, a.gibbs.label);
  const std::optional<LabelChoice> choice = parse_label(a.gibbs.label);
  if (choice && choice->walks && dynamic_cast<const EnergyModel*>(saved.model.get()) != nullptr)
    throw Error(ExitCode::kUsage,
                "--label {}: chains have no walks between classes; write several as 0,3,5",
                a.gibbs.label);
}

// Number of samples, and columns of the PNG: classes are rows.
void arrange_classes(const SampleArguments& a, const SavedModel& saved,
                     const DeepBeliefNetwork* dbn, std::int64_t ends, std::int64_t& n,
                     std::int64_t& columns) {
  const std::optional<LabelChoice> choice = parse_label(a.gibbs.label);
  if (!choice) return;
  n = dbn == nullptr
          ? count_class_samples(*choice, n, saved)
          : ends * static_cast<std::int64_t>(requested_classes(a.gibbs, saved, *dbn).size());
  if (is_animation(a.out)) return;
  columns = a.grid.empty() && a.latents.interpolate == 0 ? ends : columns_for(a, n);
}

// Number of samples without --label each, a list of classes or chains per class.
std::int64_t count_samples(const SampleArguments& a, std::int64_t ends) {
  const std::optional<LabelChoice> choice = parse_label(a.gibbs.label);
  if (choice && choice->walks) return ends * class_walk_steps(*choice, a.latents);
  return count_interpolated(a.latents, ends, is_animation(a.out), kMaxSamples);
}

void write_samples(const SampleArguments& a, const SavedModel& saved, const TensorMap& drawn,
                   std::int64_t columns) {
  const at::Tensor& pixels = drawn.at("pixels");
  const std::int64_t n = pixels.size(0);
  if (is_animation(a.out)) {
    write_animation(a.animation, a.out, pixels);
  } else {
    write_grid(a.out,
               {pixels.const_data_ptr<std::uint8_t>(), static_cast<std::size_t>(pixels.numel())}, n,
               pixels.size(1), pixels.size(2), pixels.size(3), columns);
  }
  if (!a.latents_out.empty()) write_safetensors(a.latents_out, {drawn, {}});
  const double distance = sampled_distance(pixels);
  print_result(
      a.json,
      [&] {
        return write_json(nlohmann::json({{"file", a.out},
                                          {"samples", n},
                                          {"model", saved.file.string()},
                                          {"averaged", saved.averaged},
                                          {"mean_pairwise_distance", distance}}));
      },
      [&] {
        return fmt::format("{}: {} samples of {} ({} weights), mean pairwise distance {:.4f}\n",
                           a.out, n, saved.file.string(), saved.averaged ? "averaged" : "raw",
                           distance);
      });
}

// Many samples, if the options request them.
bool has_drawn_many(const SampleArguments& a) {
  if (!a.many.is_requested()) {
    if (a.out.empty())
      throw Error(ExitCode::kUsage,
                  "valley sample needs -o FILE, or --count N and --to DEST; see valley sample "
                  "--help");
    return false;
  }
  if (!a.out.empty() || !a.latents_out.empty() || !a.grid.empty() || a.latents.is_requested() ||
      a.langevin.is_requested() || a.trajectory.is_requested())
    throw Error(ExitCode::kUsage,
                "--to and --count cannot be used with -o, --grid, --latents, --interpolate, "
                "--save-latents, --trajectory or options of --langevin: leave one out");
  sample_many(a.many, {a.run, a.device, a.raw, a.steps, a.gibbs, a.json});
  return true;
}

void sample(const SampleArguments& a) {
  check_gibbs_arguments(a.gibbs);
  if (has_drawn_many(a)) return;
  const std::vector<std::uint64_t> seeds = parse_numbers(a.seeds, "--seeds", "seeds", kMaxSamples);
  at::Tensor ends;
  if (!a.latents.file.empty()) ends = read_latents(a.latents.file);
  const bool animated = is_animation(a.out);
  const std::int64_t ends_given =
      ends.defined() ? ends.size(0) : static_cast<std::int64_t>(seeds.size());
  std::int64_t n = count_samples(a, ends_given);
  std::int64_t columns = a.gibbs.filters || animated ? 1 : columns_for(a, n);
  check_outputs(a, n);
  set_arithmetic({Precision::kFp32, false, threads_for_rank(1)});
  const SavedModel saved =
      load_model(a.run, weights_to_load(a.raw), take_device(device_choice(a.device)));
  const auto* dbn = dynamic_cast<const DeepBeliefNetwork*>(saved.model.get());
  require_gibbs_possible(a, saved, dbn);
  require_classes(a, saved, dbn);
  if (a.gibbs.filters) {
    if (animated)
      throw Error(ExitCode::kUsage, "--filters draws one PNG; name another -o than {}", a.out);
    draw_filters(a.gibbs, requested_grid(a), a.out, a.json, saved, *dbn);
    return;
  }
  arrange_classes(a, saved, dbn, ends_given, n, columns);
  if (animated) {
    check_animation(a.animation, a.out, n, saved.options.resolution);
  } else {
    require_grid_fits(saved, n, columns);
  }
  const TensorMap drawn = draw(a, saved, dbn, seeds, ends);
  write_samples(a, saved, drawn, columns);
}

void add_options(CLI::App& command, SampleArguments& a) {
  add_model_argument(command, a.run);
  command
      .add_option("--seeds", a.seeds, "Seeds of the samples: one latent vector or chain per seed")
      ->capture_default_str();
  command.add_option("--grid", a.grid,
                     "Columns x rows of the PNG; default: as square as the number allows");
  add_latent_options(command, a.latents);
  command
      .add_option(
          "--steps", a.steps,
          "Langevin steps per sample of an energy, by default as many as in training; Gibbs "
          "steps per sample of a deep belief network [1000]")
      ->transform(number_range<std::int64_t>())
      ->type_name("N");
  add_langevin_options(command, a.langevin);
  add_gibbs_options(command, a.gibbs);
  add_trajectory_options(command, a.trajectory);
  command
      .add_option("-o,--out", a.out,
                  "The file to write: a grid as PNG; or frames, as GIF or as numbered PNGs "
                  "(frames/%04d.png)")
      ->check(png_or_gif_name())
      ->type_name("FILE");
  add_animation_options(command, a.animation);
  add_many_options(command, a.many);
  command
      .add_option("--save-latents", a.latents_out, "Also write latents and pixels as safetensors")
      ->type_name("FILE.safetensors");
  add_raw_option(command, a.raw);
  add_device_option(command, a.device);
  add_json_option(command, a.json);
}

}  // namespace

void add_sample_command(CLI::App& app) {
  auto a = std::make_shared<SampleArguments>();
  CLI::App* command = app.add_subcommand("sample", kSampleHelp);
  add_options(*command, *a);
  command->callback([a] { sample(*a); });
}

}  // namespace valley::app
