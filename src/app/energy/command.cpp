#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <optional>
#include <set>

#include "app/commands.h"
#include "app/energy/files.h"
#include "app/energy/log_z.h"
#include "app/energy/plots.h"
#include "app/energy/report.h"
#include "app/options.h"
#include "app/print_result.h"
#include "app/progress.h"
#include "comm/world.h"
#include "core/atomic_file.h"
#include "core/error.h"
#include "core/log.h"
#include "evaluate/image_energies.h"
#include "inference/image_energy.h"
#include "inference/saved_model.h"
#include "kernels/device.h"
#include "record/progress.h"

namespace valley::app {
namespace {

constexpr const char* kEnergyHelp =
    "Compute the energy of each image with a trained model, and compare sets of images.\n\n"
    "Examples:\n"
    "  valley energy runs/00007-ebm-32 --data data/emoji-32                      a summary\n"
    "  valley energy runs/00007-ebm-32 --data photos a.png b.jpg -o energies.csv  image files\n"
    "  valley energy RUN --data shards/digits --against shards/letters           AUROC and FPR\n"
    "  valley energy RUN --data SHARDS --histogram energies.png --ranking best-and-worst.png\n"
    "  valley energy RUN --data SHARDS --pair 3,17                 log p(3) - log p(17)\n"
    "  mpirun -n 4 valley energy RUN --data SHARDS -o energies.npy  same result, faster\n"
    "  valley energy runs/00009-rbm --data SHARDS --log-z          log Z and log p(x)";

struct EnergyArguments {
  std::string run;
  std::vector<std::string> data;
  std::vector<std::string> against;
  std::optional<std::uint64_t> count;
  std::optional<std::uint64_t> seed;
  std::uint64_t pairs = 0;
  std::vector<std::string> pair;
  std::string out;
  std::string histogram;
  std::string ranking;
  std::optional<std::int64_t> rank;
  std::string device = "auto";
  LogZArguments log_z;
  bool raw = false;
  bool json = false;
};

constexpr std::int64_t kDefaultRank = 10;

// Errors that need no model and no images.
void check_arguments(const EnergyArguments& a) {
  if (a.seed && !a.count && a.pairs == 0 && !a.log_z.log_z)
    throw Error(
        ExitCode::kUsage,
        "--seed selects the images of --count, the --pairs or the chains of --log-z: add one of "
        "them");
  if (a.rank && a.ranking.empty())
    throw Error(ExitCode::kUsage,
                "--rank is the number of images in --ranking FILE.png: add --ranking");
  if (!a.out.empty()) static_cast<void>(energy_format(a.out));
  for (const std::string& pair : a.pair) static_cast<void>(parse_pair(pair));
  std::set<std::string> named;
  for (const std::string& file : {a.out, a.histogram, a.ranking}) {
    if (!file.empty() && !named.insert(file).second)
      throw Error(ExitCode::kUsage, "-o, --histogram and --ranking name the same file, {}", file);
  }
}

void check_outputs(const EnergyArguments& a) {
  for (const std::string& file : {a.out, a.histogram, a.ranking})
    if (!file.empty()) require_writable(file);
}

// True if the energy is computed with averaged weights. The energy of a GAN is that of its
// discriminator, which has no average.
bool uses_average(const SavedModel& saved) {
  for (const std::string& name : saved.model->averaged())
    if (name != "generator") return saved.averaged;
  return false;
}

EnergySet open_set(const EnergyArguments& a, const std::string& name,
                   const std::vector<std::string>& inputs, const SavedModel& saved) {
  EnergySet set;
  set.name = name;
  set.inputs = inputs;
  set.images = open_images(inputs, image_shape(saved.options), saved.file.string());
  set.of = set.images->size();
  if (a.count) set.images = choose_images(set.images, *a.count, a.seed);
  return set;
}

std::vector<EnergyPair> choose_pairs(const EnergyArguments& a, const std::vector<EnergySet>& sets) {
  const EnergySet& first = sets.front();
  const EnergySet& second = sets.back();
  std::vector<EnergyPair> pairs;
  for (const std::string& text : a.pair) {
    const IndexPair asked = parse_pair(text);
    pairs.push_back({find_position(asked.first, *first.images, first.name),
                     find_position(asked.second, *second.images, second.name), 0});
  }
  const std::uint64_t seed = a.seed.value_or(0);
  const std::vector<EnergyPair> drawn =
      sets.size() > 1
          ? draw_pairs_between(a.pairs, first.images->size(), second.images->size(), seed)
          : draw_pairs_within(a.pairs, first.images->size(), seed);
  pairs.insert(pairs.end(), drawn.begin(), drawn.end());
  return pairs;
}

// Text that must be equal on all ranks.
std::string describe_inputs(const EnergyReport& report) {
  std::string text = report.model + "\n" + report.weights + "\n";
  for (const EnergySet& set : report.sets) text += set.images->fingerprint() + "\n";
  return text;
}

void write_results(const EnergyArguments& a, EnergyReport& report) {
  for (const EnergySet& set : report.sets)
    require_finite_energies(set.energies, *set.images, report.model);
  summarize(report);
  if (!a.out.empty()) write_file(a.out, format_energies(energy_format(a.out), report.sets));
  if (!a.histogram.empty()) draw_histogram(a.histogram, report);
  if (!a.ranking.empty()) draw_ranking(a.ranking, report, a.rank.value_or(kDefaultRank));
  print_result(
      a.json, [&] { return to_json(report); }, [&] { return to_table(report); });
}

void run_energy(const EnergyArguments& a) {
  check_arguments(a);
  const auto world = World::join(device_choice(a.device));
  const at::Device device = world->device().device();
  const int threads = threads_for_rank(world->host().local_size());
  set_arithmetic({Precision::kFp32, true, 1});

  EnergyReport report;
  std::unique_ptr<ImageEnergy> energy;
  const std::unique_ptr<SavedModel> saved = rank_zero_first(*world, [&] {
    if (world->rank() == 0) check_outputs(a);
    auto loaded = std::make_unique<SavedModel>(load_model(a.run, weights_to_load(a.raw), device));
    check_log_z(a.log_z, *loaded);
    energy = make_image_energy(*loaded, device);
    report.sets.push_back(open_set(a, "data", a.data, *loaded));
    if (!a.against.empty()) report.sets.push_back(open_set(a, "against", a.against, *loaded));
    report.pairs = choose_pairs(a, report.sets);
    return loaded;
  });
  report.model = saved->file.string();
  report.weights = uses_average(*saved) ? "averaged" : "raw";
  report.energy = energy->describe();
  report.is_density = energy->is_density();
  world->require_equal("the model and the images", describe_inputs(report));

  WorkProgress progress("energy");
  const Team team = make_team(*world, threads, progress);
  std::uint64_t images = 0;
  for (EnergySet& set : report.sets) {
    set.energies = image_energies(team, set.name, *energy, *set.images);
    images += set.images->size();
  }
  add_log_z(team, a.log_z, a.seed.value_or(0), *saved, report);
  if (world->rank() == 0) {
    log::info("computed energies of {} images in {}", images, format_duration(progress.seconds()));
    write_results(a, report);
  }
  world->host().barrier();
}

void add_set_options(CLI::App& command, EnergyArguments& a) {
  add_images_option(command, a.data);
  command
      .add_option(
          "--against", a.against,
          "Second set of images, in the same forms: measures how well low energies separate "
          "the data from it (AUROC)")
      ->type_name("DIR|IMAGE");
  add_count_option(command, a.count);
  command
      .add_option("--seed", a.seed,
                  "Use N random images instead of the first N of --count; also the seed of --pairs "
                  "and of the chains of --log-z [0]")
      ->transform(number_range<std::uint64_t>())
      ->type_name("N");
  command
      .add_option("--pairs", a.pairs,
                  "Print energy differences of N random pairs of images; with --against, of one "
                  "image from each set")
      ->transform(number_range<std::uint64_t>(1, 1'000'000))
      ->type_name("N");
  command
      .add_option("--pair", a.pair,
                  "Print the energy of image J minus that of image I, which is log p(I) - log p(J) "
                  "if the model is a density; with --against, J is an index in that set. May be "
                  "repeated")
      ->expected(1)
      ->take_all()
      ->type_name("I,J");
}

void add_output_options(CLI::App& command, EnergyArguments& a) {
  command
      .add_option("-o,--out", a.out,
                  "Write the energy of every image, as JSON lines (.jsonl), CSV (.csv) or a NumPy "
                  "array (.npy)")
      ->type_name("FILE");
  command.add_option("--histogram", a.histogram, "Plot a histogram of the energies")
      ->check(png_name())
      ->type_name("FILE.png");
  command.add_option("--ranking", a.ranking, "Draw the images of lowest and of highest energy")
      ->check(png_name())
      ->type_name("FILE.png");
  command.add_option("--rank", a.rank, "Number of images of each kind in --ranking [10]")
      ->transform(number_range<std::int64_t>(1, 1000))
      ->type_name("N");
}

void add_options(CLI::App& command, EnergyArguments& a) {
  add_model_argument(command, a.run);
  add_set_options(command, a);
  add_output_options(command, a);
  add_log_z_options(command, a.log_z);
  add_raw_option(command, a.raw);
  add_device_option(command, a.device);
  add_json_option(command, a.json);
}

}  // namespace

void add_energy_command(CLI::App& app) {
  auto a = std::make_shared<EnergyArguments>();
  CLI::App* command = app.add_subcommand("energy", kEnergyHelp);
  add_options(*command, *a);
  command->callback([a] { run_energy(*a); });
}

}  // namespace valley::app
