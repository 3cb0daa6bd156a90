#include "app/sample/gibbs.h"

#include <ATen/ops/cat.h>
#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/number_lists.h"
#include "app/options.h"
#include "app/print_result.h"
#include "app/sample/labels.h"
#include "core/error.h"
#include "core/json_text.h"
#include "core/log.h"
#include "inference/filters.h"
#include "inference/gibbs_source.h"
#include "inference/image_energy.h"
#include "kernels/kernels.h"
#include "methods/dbn/networks.h"
#include "nn/sampling.h"
#include "record/image_grid.h"

namespace valley::app {
namespace {

constexpr std::int64_t kDefaultFilters = 100;

GibbsSettings make_gibbs_settings(const GibbsArguments& a, std::optional<std::int64_t> steps,
                                  std::optional<std::int64_t> label) {
  return {steps.value_or(kGibbsSteps), label, a.pixels == "drawn"};
}

// Chains of one class, and their trajectories if requested.
class ClassChains {
 public:
  ClassChains(const SavedModel& saved, const DeepBeliefNetwork& dbn, const GibbsSettings& settings,
              const TrajectoryArguments& trajectory)
      : energy_(make_image_energy(saved, saved.device)),
        settings_(settings),
        sampler_(dbn, settings, saved.device) {
    if (trajectory.is_requested()) recorded_ = spread_steps(settings.steps, trajectory.columns);
  }

  // Pixels of seeds [first, first + n).
  [[nodiscard]] at::Tensor run(std::uint64_t first, std::int64_t n,
                               std::vector<Trajectory>& pieces) const {
    at::Tensor images;
    if (recorded_.empty()) {
      images = sampler_.images(first, n);
    } else {
      TrajectoryRecorder recorder(
          [&](const at::Tensor& x) { return energy_->energy(x); }, recorded_,
          [&](std::int64_t row) {
            return fmt::format("the chain of seed {}", first + static_cast<std::uint64_t>(row));
          });
      images = sampler_.images(first, n, recorded_, [&](std::int64_t steps, const at::Tensor& x) {
        recorder.see(steps, x);
      });
      pieces.push_back(recorder.take());
    }
    return kernels::bytes_from_images(to_symmetric(images, PixelRange::kUnit)).to(at::kCPU);
  }

 private:
  std::unique_ptr<ImageEnergy> energy_;
  GibbsSettings settings_;
  GibbsSampler sampler_;
  std::vector<std::int64_t> recorded_;
};

}  // namespace

bool GibbsArguments::is_requested() const { return pixels != "mean" || filters || layer; }

void add_gibbs_options(CLI::App& command, GibbsArguments& a) {
  command
      .add_option(
          "--label", a.label,
          "Class of the samples of a model with classes: one, or a row of each class, or a list "
          "such as 0,3,5; for generators also 3..8: from one class to another in --interpolate "
          "steps, a row per seed")
      ->type_name("CLASS|each|A..B");
  command
      .add_option("--pixels", a.pixels,
                  "Deep belief networks: draw mean pixels, or pixels sampled from them")
      ->check(CLI::IsMember({"mean", "drawn"}))
      ->capture_default_str();
  command.add_flag(
      "--filters", a.filters,
      "Deep belief networks: draw the weights of hidden units instead of samples, by descending "
      "norm");
  command
      .add_option("--layer", a.layer,
                  "Layer whose filters to draw, 1 is the one next to the pixels [1]")
      ->transform(number_range<std::int64_t>())
      ->type_name("N");
}

void check_gibbs_arguments(const GibbsArguments& a) {
  static_cast<void>(parse_label(a.label));
  if (a.layer && !a.filters)
    throw Error(ExitCode::kUsage, "--layer selects the layer of --filters: add --filters");
  if (a.filters && !a.label.empty())
    throw Error(ExitCode::kUsage, "--filters draws weights, which have no --label: leave one out");
}

std::vector<std::optional<std::int64_t>> requested_classes(const GibbsArguments& a,
                                                           const SavedModel& saved,
                                                           const DeepBeliefNetwork& dbn) {
  const std::optional<LabelChoice> choice = parse_label(a.label);
  if (!choice) return {std::nullopt};
  if (choice->walks)
    throw Error(ExitCode::kUsage,
                "--label {}: walks between classes are for generators, but {} is a deep belief "
                "network; name single classes",
                a.label, saved.file.string());
  GibbsSettings settings;
  settings.label = choice->each ? 0 : choice->classes.front();
  check_gibbs(settings, saved, dbn);
  std::vector<std::optional<std::int64_t>> classes;
  for (const std::int64_t label : chosen_classes(*choice, dbn.labels(), saved.file.string()))
    classes.emplace_back(label);
  return classes;
}

at::Tensor sample_by_gibbs(const GibbsArguments& a, const TrajectoryArguments& trajectory,
                           std::optional<std::int64_t> steps, const SavedModel& saved,
                           const DeepBeliefNetwork& dbn, const std::vector<std::uint64_t>& seeds) {
  const auto classes = requested_classes(a, saved, dbn);
  require_recordable(trajectory, seeds.size() * classes.size());
  check_gibbs(make_gibbs_settings(a, steps, std::nullopt), saved, dbn);
  log::info("{} Gibbs chains of {} steps", seeds.size() * classes.size(),
            steps.value_or(kGibbsSteps));
  std::vector<at::Tensor> parts;
  std::vector<Trajectory> pieces;
  std::vector<ChainName> names;
  for (const std::optional<std::int64_t>& label : classes) {
    const ClassChains chains(saved, dbn, make_gibbs_settings(a, steps, label), trajectory);
    for (const auto& [begin, size] : split_consecutive(seeds, seeds.size()))
      parts.push_back(chains.run(seeds[begin], static_cast<std::int64_t>(size), pieces));
    for (const std::uint64_t seed : seeds) names.push_back({seed, label});
  }
  write_trajectories(trajectory, pieces, names);
  return at::cat(parts).contiguous();
}

void require_gibbs_model(const SavedModel& saved, const DeepBeliefNetwork* dbn) {
  if (dbn == nullptr)
    throw Error(ExitCode::kUsage,
                "--pixels, --filters and --layer are for deep belief networks, but {} is another "
                "model: leave them out",
                saved.file.string());
}

std::unique_ptr<SampleSource> make_gibbs_class_source(const GibbsArguments& a,
                                                      std::optional<std::int64_t> steps,
                                                      const SavedModel& saved,
                                                      const DeepBeliefNetwork& dbn) {
  const GibbsSettings settings =
      make_gibbs_settings(a, steps, requested_classes(a, saved, dbn).front());
  check_gibbs(settings, saved, dbn);
  return make_gibbs_source(dbn, settings, saved.device);
}

void draw_filters(const GibbsArguments& a, const std::optional<Grid>& grid, const std::string& file,
                  bool json, const SavedModel& saved, const DeepBeliefNetwork& dbn) {
  const std::int64_t layer = a.layer.value_or(1);
  const auto depth = static_cast<std::int64_t>(dbn.depth());
  if (layer < 1 || layer > depth)
    throw Error(ExitCode::kUsage, "--layer {}: {} has layers 1 to {}", layer, saved.file.string(),
                depth);
  const Filters filters = compute_filters(dbn, static_cast<std::size_t>(layer - 1),
                                          grid ? grid->columns * grid->rows : kDefaultFilters);
  const at::Tensor& p = filters.pixels;
  const std::int64_t n = p.size(0);
  std::int64_t columns = grid ? grid->columns : 1;
  while (!grid && columns * columns < n) ++columns;
  if (!grid_fits(n, p.size(1), p.size(2), p.size(3), columns))
    throw Error(ExitCode::kUsage, "{} filters do not fit in one PNG; take a smaller --grid", n);
  write_grid(file, {p.const_data_ptr<std::uint8_t>(), static_cast<std::size_t>(p.numel())}, n,
             p.size(1), p.size(2), p.size(3), columns);
  print_result(
      json,
      [&] {
        return write_json(
            nlohmann::json({{"file", file},
                            {"filters", n},
                            {"layer", layer},
                            {"units", dbn.rbm(static_cast<std::size_t>(layer - 1)).shape().hidden},
                            {"scale", filters.scale},
                            {"model", saved.file.string()}}));
      },
      [&] {
        return fmt::format("{}: {} filters of layer {} of {}, black and white at -+{:.4g}\n", file,
                           n, layer, saved.file.string(), filters.scale);
      });
}

}  // namespace valley::app
