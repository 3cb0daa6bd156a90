#include "app/sample_command.h"

#include <ATen/ops/cat.h>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <charconv>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/error.h"
#include "core/log.h"
#include "inference/saved_model.h"
#include "kernels/device.h"
#include "models/sampling.h"
#include "record/image_grid.h"
#include "storage/safetensors.h"
#include "train/experiment.h"

namespace valley::app {
namespace {

constexpr const char* kHelp =
    "Draw samples from a trained generator into a PNG.\n\n"
    "Examples:\n"
    "  valley sample runs/00007-began-64 --seeds 0-63 -o grid.png          the grid that training "
    "draws\n"
    "  valley sample runs/00007-began-64 --seeds 3,17,5 --interpolate 8 -o walk.png\n"
    "                                                       a row from seed 3 to 17, one from 17 "
    "to 5\n"
    "  valley sample model.safetensors --seeds 0-15 --grid 4x4 -o grid.png a lone file";

struct Arguments {
  std::string run;
  std::string seeds = "0-63";
  std::string grid;
  std::string out;
  std::string latents_out;
  std::int64_t interpolate = 0;
  bool raw = false;
  bool json = false;
};

std::uint64_t parse_number(std::string_view text, const std::string& all) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw Error(ExitCode::kUsage,
                "--seeds {}: numbers and ranges with commas between them, such as 0-63 or 3,17,5",
                all);
  }
  return value;
}

// "0-3,9" is 0, 1, 2, 3, 9.
std::vector<std::uint64_t> parse_seeds(const std::string& all) {
  constexpr std::uint64_t kMost = 65536;
  std::vector<std::uint64_t> seeds;
  std::string_view rest = all;
  while (true) {
    const std::string_view part = rest.substr(0, rest.find(','));
    const std::size_t dash = part.find('-');
    const std::uint64_t first = parse_number(part.substr(0, dash), all);
    const std::uint64_t last =
        dash == std::string_view::npos ? first : parse_number(part.substr(dash + 1), all);
    if (last < first || last - first >= kMost || seeds.size() + (last - first) >= kMost) {
      throw Error(ExitCode::kUsage,
                  "--seeds {}: a range goes up, and there can be at most {} seeds", all, kMost);
    }
    for (std::uint64_t i = 0; i <= last - first; ++i) seeds.push_back(first + i);
    if (part.size() == rest.size()) return seeds;
    rest.remove_prefix(part.size() + 1);
  }
}

at::Tensor walk(const at::Tensor& ends, std::int64_t steps) {
  std::vector<at::Tensor> rows;
  for (std::int64_t i = 0; i + 1 < ends.size(0); ++i)
    rows.push_back(interpolate(ends.narrow(0, i, 2), steps));
  return at::cat(rows);
}

std::int64_t columns_for(const Arguments& a, std::int64_t n) {
  if (a.interpolate > 0) return a.interpolate;
  if (!a.grid.empty()) {
    constexpr int kMost = 4096;
    const Grid grid = parse_grid(a.grid, "--grid", ExitCode::kUsage, kMost);
    if (grid.columns * grid.rows < n) {
      throw Error(ExitCode::kUsage, "--grid {} has {} cells for {} samples", a.grid,
                  grid.columns * grid.rows, n);
    }
    return grid.columns;
  }
  std::int64_t columns = 1;
  while (columns * columns < n) ++columns;
  return columns;
}

void sample(const Arguments& a) {
  const std::vector<std::uint64_t> seeds = parse_seeds(a.seeds);
  if (a.interpolate != 0 && (a.interpolate < 2 || seeds.size() < 2)) {
    throw Error(ExitCode::kUsage, "--interpolate takes at least 2 steps and 2 seeds to go between");
  }
  const auto count = static_cast<std::int64_t>(seeds.size());
  const std::int64_t n = a.interpolate > 0 ? (count - 1) * a.interpolate : count;
  const std::int64_t columns = columns_for(a, n);
  set_arithmetic({Precision::kFp32, false, threads_for_rank(1)});
  const SavedModel saved = load_model(a.run, a.raw ? Weights::kRaw : Weights::kAveraged, at::kCPU);
  const auto* generator = dynamic_cast<const Generator*>(&saved.model->network("generator"));
  at::Tensor latents = latents_of_seeds(seeds, saved.options.latent, at::kCPU);
  if (a.interpolate > 0) latents = walk(latents, a.interpolate);
  const at::Tensor pixels = generate_pixels(*generator, latents);
  write_grid(a.out,
             {pixels.const_data_ptr<std::uint8_t>(), static_cast<std::size_t>(pixels.numel())}, n,
             pixels.size(1), pixels.size(2), pixels.size(3), columns);
  if (!a.latents_out.empty())
    write_safetensors(a.latents_out, {{{"latents", latents}, {"pixels", pixels}}, {}});
  const double distance = n > 1 ? mean_pairwise_distance(pixels) : 0;
  if (a.json) {
    fmt::print("{}\n", nlohmann::json({{"file", a.out},
                                       {"samples", n},
                                       {"model", saved.file.string()},
                                       {"averaged", saved.averaged},
                                       {"mean_pairwise_distance", distance}})
                           .dump());
  } else {
    fmt::print("{}: {} samples of {} ({} weights), mean pairwise distance {:.4f}\n", a.out, n,
               saved.file.string(), saved.averaged ? "averaged" : "raw", distance);
  }
}

}  // namespace

void add_sample_command(CLI::App& app) {
  auto a = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("sample", kHelp);
  command->add_option("run", a->run, "A run directory, a checkpoint or a model.safetensors")
      ->required()
      ->type_name("RUN");
  command->add_option("--seeds", a->seeds, "Which samples: a latent vector a seed")
      ->capture_default_str();
  command->add_option("--grid", a->grid,
                      "Columns x rows of the picture; default: as square as the number allows");
  command->add_option("--interpolate", a->interpolate,
                      "Steps of a straight walk from each seed to the next, a row each");
  command->add_option("-o,--out", a->out, "The PNG to write")->required()->type_name("FILE.png");
  command
      ->add_option("--save-latents", a->latents_out, "Also write latents and pixels as safetensors")
      ->type_name("FILE.safetensors");
  command->add_flag("--raw", a->raw, "The weights themselves instead of their moving average");
  command->add_flag("--json", a->json, "What was written, as JSON on stdout");
  command->callback([a] { sample(*a); });
}

}  // namespace valley::app
