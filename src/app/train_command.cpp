#include "app/train_command.h"

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "app/device_choice.h"
#include "app/option_checks.h"
#include "app/version.h"
#include "comm/world.h"
#include "core/error.h"
#include "core/hash.h"
#include "core/text.h"
#include "run/resume.h"
#include "run/stop_signal.h"
#include "run/training_run.h"

namespace valley::app {
namespace {

constexpr const char* kTrainHelp =
    "Train a model, on as many ranks as the launcher starts.\n\n"
    "Examples:\n"
    "  valley train configs/quickstart.toml                             one rank\n"
    "  mpirun -n 8 valley train configs/began-256.toml data.path=shards eight ranks or GPUs\n"
    "  valley train configs/began-64.toml train.steps=100 --dry-run     check all, print the plan\n"
    "  mpirun -n 4 valley train --resume runs/00007-began-64            go on, on any ranks\n"
    "  valley train --keys optimizer                                    a section's keys, defaults";

constexpr double kLeastBus = 1e-3;  // GB/s
constexpr double kMostBus = 1e6;
constexpr double kBytesOfGigabyte = 1e9;
constexpr int kMostRanks = 1'000'000;

struct TrainArguments {
  std::vector<std::string> words;  // config file and overrides
  std::string keys = "-";
  bool markdown = false;
  double bus_gigabytes = 10;
  TrainRequest request;
};

bool is_override(const std::string& word) { return word.find('=') != std::string::npos; }

bool is_there(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

// A run that stands where a config should is most likely to be gone on with.
void refuse_run_as_config(const std::string& word) {
  for (const char* sign : {"config.toml", "COMMIT"}) {
    if (is_there(std::filesystem::path(word) / sign))
      throw Error(ExitCode::kUsage,
                  "{0} is a run or a checkpoint, not a CONFIG.toml; to go on with it: valley train "
                  "--resume {0}",
                  word);
  }
}

// A run's folder is called after its config file; other characters than a name may have become '-'.
// Where they are not ASCII, or the name is cut, a hash of the whole name follows: "-" for each
// letter would give all configs of some languages one name, and --resume auto the run of another.
std::string run_name(const std::filesystem::path& file) {
  constexpr std::size_t kMaxNameBytes = 200;
  constexpr std::size_t kHashDigits = 8;
  const std::string text = file.string();
  const bool is_stream = text.starts_with("/dev/") || text.starts_with("/proc/");
  if (file.filename() == "config.toml" || is_stream) return "run";
  const std::string stem = file.stem().string();
  const bool is_ascii =
      std::ranges::all_of(stem, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  const bool is_kept = is_ascii && stem.size() <= kMaxNameBytes;
  std::string name = is_kept ? stem : stem.substr(0, kMaxNameBytes - kHashDigits - 1);
  for (char& c : name) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
    if (!is_plain) c = '-';
  }
  if (!is_kept) name += "-" + sha256_hex(as_bytes(stem)).substr(0, kHashDigits);
  return name;
}

// The config file: named, or that of the run which is resumed.
std::filesystem::path config_file(const TrainArguments& a, std::vector<std::string>& overrides) {
  overrides = a.words;
  if (!a.words.empty() && !is_override(a.words.front())) {
    overrides.erase(overrides.begin());
    refuse_run_as_config(a.words.front());
    return a.words.front();
  }
  const std::string& resume = a.request.resume;
  if (resume != "none" && resume != "auto") {
    const std::filesystem::path path = resume_path(resume);
    for (const auto& folder : {path, path.parent_path().parent_path()}) {
      if (is_there(folder / "config.toml")) return folder / "config.toml";
    }
    throw Error(ExitCode::kMissingInput, "--resume {}: {}", resume,
                is_there(path / "COMMIT")
                    ? "a checkpoint without its run: name its CONFIG.toml as well"
                    : "neither a run directory (no config.toml) nor a checkpoint (no COMMIT) is "
                      "there" +
                          tilde_hint(resume));
  }
  throw Error(ExitCode::kUsage,
              "valley train needs a CONFIG.toml (or --resume RUN); see valley train --help");
}

// `valley train --keys objective.name=magan`: the defaults of that objective.
std::string objective_of(const TrainArguments& a) {
  Experiment named;
  named.schema().load_text("", "", a.words);
  return named.objective.name;
}

void print_keys(const TrainArguments& a) {
  Experiment experiment = Experiment::with_defaults_of(a.words.empty() ? "began" : objective_of(a));
  const Schema schema = experiment.schema();
  print_to_stdout("{}",
                  a.markdown ? schema.describe_keys_markdown() : schema.describe_keys(a.keys));
}

void train(TrainArguments& a) {
  if (a.request.json && !a.request.dry_run)
    throw Error(ExitCode::kUsage, "--json prints the plan of --dry-run: add --dry-run");
  if (a.request.out.empty()) throw Error(ExitCode::kUsage, "--out names no folder");
  std::vector<std::string> overrides;
  const std::filesystem::path file = config_file(a, overrides);
  Experiment experiment;
  // Before signals are caught: Ctrl-C ends a program that waits for the writer of a pipe.
  Schema schema = Experiment::load(experiment, file, overrides);
  install_stop_signals(launch_info().rank == 0);
  experiment.resolve(schema);
  a.request.name = run_name(file);
  a.request.version = version_text();
  a.request.question.bus_bandwidth = kBytesOfGigabyte * a.bus_gigabytes;
  const auto world = World::join(device_choice(experiment.train.device),
                                 std::chrono::seconds(experiment.performance.rank_timeout));
  const int code = run_training(*world, a.request, experiment, schema);
  if (code != 0) throw CLI::RuntimeError(code);
}

}  // namespace

void add_train_command(CLI::App& app, const std::string& command_line) {
  auto a = std::make_shared<TrainArguments>();
  a->request.command = command_line;
  CLI::App* command = app.add_subcommand("train", kTrainHelp);
  command->add_option("config", a->words, "CONFIG.toml, then section.key=value for what differs")
      ->type_name("CONFIG.toml [section.key=value ...]");
  command
      ->add_option(
          "--resume", a->request.resume,
          "none: a new run; auto: the newest run of this name under --out (refused when its config "
          "differs), else a new one; or a run or checkpoint to go on from")
      ->type_name("none|auto|PATH")
      ->capture_default_str();
  command->add_option("--out", a->request.out, "Folder that holds the numbered runs")
      ->type_name("DIR")
      ->capture_default_str();
  command->add_flag("--dry-run", a->request.dry_run,
                    "Check everything, print the resolved config and the plan, stop");
  command->add_flag("--json", a->request.json,
                    "With --dry-run: one JSON object on stdout instead of text");
  command
      ->add_option("--bus-bandwidth", a->bus_gigabytes,
                   "With --dry-run: GB/s of the network, as valley bench allreduce has it")
      ->transform(number_range<double>(kLeastBus, kMostBus))
      ->type_name("GB/S")
      ->capture_default_str();
  command
      ->add_option("--bus-ranks", a->request.question.ranks,
                   "With --dry-run: ranks on it; 0: those of this job, or 8 where it has one")
      ->transform(number_range<int>(0, kMostRanks))
      ->type_name("N")
      ->capture_default_str();
  command
      ->add_option("--keys", a->keys, "Print every key, or those that start with PREFIX, and stop")
      ->type_name("[PREFIX]")
      ->expected(0, 1)
      ->default_str("");
  command->add_flag("--markdown", a->markdown, "With --keys: as docs/config.md");
  command->callback([a, command] {
    if (command->count("--keys") > 0) {
      print_keys(*a);
    } else {
      train(*a);
    }
  });
}

}  // namespace valley::app
