#include "app/energy_command.h"

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <optional>
#include <set>

#include "app/device_choice.h"
#include "app/energy_files.h"
#include "app/energy_log_z.h"
#include "app/energy_pictures.h"
#include "app/energy_report.h"
#include "app/option_checks.h"
#include "app/work_progress.h"
#include "comm/world.h"
#include "core/atomic_file.h"
#include "core/error.h"
#include "core/json_text.h"
#include "core/log.h"
#include "core/text.h"
#include "evaluate/image_energies.h"
#include "inference/image_energy.h"
#include "inference/saved_model.h"
#include "kernels/device.h"
#include "record/progress.h"

namespace valley::app {
namespace {

constexpr const char* kEnergyHelp =
    "The energy that a trained model gives each image, and how well it tells images apart.\n\n"
    "Examples:\n"
    "  valley energy runs/00007-ebm-32 --data data/emoji-32                      a summary\n"
    "  valley energy runs/00007-ebm-32 --data photos a.png b.jpg -o energies.csv  of image files\n"
    "  valley energy RUN --data shards/digits --against shards/letters           AUROC and FPR\n"
    "  valley energy RUN --data SHARDS --histogram energies.png --ranking best-and-worst.png\n"
    "  valley energy RUN --data SHARDS --pair 3,17                 how much likelier is 3 than 17\n"
    "  mpirun -n 4 valley energy RUN --data SHARDS -o energies.npy  the same numbers, sooner\n"
    "  valley energy runs/00009-rbm --data SHARDS --log-z          log Z, and log p of the data";

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

constexpr std::int64_t kRank = 10;

// What is found wrong before anything is loaded.
void check_arguments(const EnergyArguments& a) {
  if (a.seed && !a.count && a.pairs == 0 && !a.log_z.log_z)
    throw Error(ExitCode::kUsage,
                "--seed is for the choice of images by --count, or of --pairs, or for --log-z");
  if (a.rank && a.ranking.empty())
    throw Error(ExitCode::kUsage, "--rank says how many images --ranking FILE.png shows");
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

// Whether the networks that the energy is computed with are averages: a GAN's is its discriminator,
// of which none is kept.
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
  set.images = open_images(inputs, shape_of(saved.options), saved.file.string());
  set.of = set.images->size();
  if (a.count) set.images = choose_images(set.images, *a.count, a.seed);
  return set;
}

std::vector<EnergyPair> choose_pairs(const EnergyArguments& a, const std::vector<EnergySet>& sets) {
  const EnergySet& first = sets.front();
  const EnergySet& second = sets.back();
  std::vector<EnergyPair> pairs;
  for (const std::string& text : a.pair) {
    const AskedPair asked = parse_pair(text);
    pairs.push_back({place_of(asked.first, *first.images, first.name),
                     place_of(asked.second, *second.images, second.name), 0});
  }
  const std::uint64_t seed = a.seed.value_or(0);
  const std::vector<EnergyPair> drawn =
      sets.size() > 1
          ? draw_pairs_between(a.pairs, first.images->size(), second.images->size(), seed)
          : draw_pairs_within(a.pairs, first.images->size(), seed);
  pairs.insert(pairs.end(), drawn.begin(), drawn.end());
  return pairs;
}

// What the ranks must agree on before they compute.
std::string agreement(const EnergyReport& report) {
  std::string text = report.model + "\n" + report.weights + "\n";
  for (const EnergySet& set : report.sets) text += set.images->fingerprint() + "\n";
  return text;
}

void write_results(const EnergyArguments& a, EnergyReport& report) {
  for (const EnergySet& set : report.sets)
    require_finite_energies(set.energies, *set.images, report.model);
  summarize(report);
  if (!a.out.empty()) write_file(a.out, energies_as(energy_format(a.out), report.sets));
  if (!a.histogram.empty()) draw_histogram(a.histogram, report);
  if (!a.ranking.empty()) draw_ranking(a.ranking, report, a.rank.value_or(kRank));
  if (a.json) {
    print_json_text(to_json(report));
  } else {
    print_to_stdout("{}", to_table(report));
  }
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
    auto loaded = std::make_unique<SavedModel>(
        load_model(a.run, a.raw ? Weights::kRaw : Weights::kAveraged, device));
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
  world->require_equal("the model and the images", agreement(report));

  WorkProgress progress("energy");
  Team team{&world->host(), threads, {}};
  if (world->rank() == 0)
    team.progress = [&](const std::string& doing, double share) { progress.show(doing, share); };
  std::uint64_t images = 0;
  for (EnergySet& set : report.sets) {
    set.energies = image_energies(team, set.name, *energy, *set.images);
    images += set.images->size();
  }
  add_log_z(team, a.log_z, a.seed.value_or(0), *saved, report);
  if (world->rank() == 0) {
    log::info("energies of {} images in {}", images, format_duration(progress.seconds()));
    write_results(a, report);
  }
  world->host().barrier();
}

void add_options(CLI::App& command, EnergyArguments& a) {
  command.add_option("run", a.run, "A run directory, a checkpoint or a model.safetensors")
      ->required()
      ->type_name("RUN");
  command
      .add_option("--data", a.data,
                  "The images: folders of shards, folders of PNG, JPEG and WebP files, or such "
                  "files, which are cropped and resized to what the model takes")
      ->required()
      ->type_name("DIR|IMAGE");
  command
      .add_option("--against", a.against,
                  "Other images, in the same ways: how well does the energy tell them from the "
                  "data, which should have lower ones?")
      ->type_name("DIR|IMAGE");
  command.add_option("--count", a.count, "Only so many images of each set, the first ones")
      ->transform(number_range<std::uint64_t>(1, std::uint64_t{1} << 40U))
      ->type_name("N");
  command
      .add_option("--seed", a.seed,
                  "Random images for --count instead of the first ones; other --pairs; other "
                  "chains of --log-z [0]")
      ->transform(number_range<std::uint64_t>())
      ->type_name("N");
  command
      .add_option("--pairs", a.pairs,
                  "Energy differences of N random pairs of images; with --against, one of each set")
      ->transform(number_range<std::uint64_t>(1, 1'000'000))
      ->type_name("N");
  command
      .add_option("--pair", a.pair,
                  "The energy of image J less that of image I, which is log p(I) - log p(J) where "
                  "the model is a density; with --against, J is one of those. May be repeated")
      ->expected(1)
      ->take_all()
      ->type_name("I,J");
  command
      .add_option(
          "-o,--out", a.out,
          "Every image's energy: JSON lines, CSV or a NumPy array, as the name ends in .jsonl, "
          ".csv or .npy")
      ->type_name("FILE");
  command.add_option("--histogram", a.histogram, "The energies as a picture")
      ->check(png_name())
      ->type_name("FILE.png");
  command
      .add_option("--ranking", a.ranking, "The images of lowest and of highest energy as a picture")
      ->check(png_name())
      ->type_name("FILE.png");
  command.add_option("--rank", a.rank, "How many of each --ranking shows [10]")
      ->transform(number_range<std::int64_t>(1, 1000))
      ->type_name("N");
  add_log_z_options(command, a.log_z);
  command.add_flag("--raw", a.raw, "The weights themselves instead of their moving average");
  add_device_option(command, a.device, "Where energies are computed");
  command.add_flag("--json", a.json, "JSON on stdout instead of the table");
}

}  // namespace

void add_energy_command(CLI::App& app) {
  auto a = std::make_shared<EnergyArguments>();
  CLI::App* command = app.add_subcommand("energy", kEnergyHelp);
  add_options(*command, *a);
  command->callback([a] { run_energy(*a); });
}

}  // namespace valley::app
