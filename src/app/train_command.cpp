#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/commands.h"
#include "app/options.h"
#include "app/version.h"
#include "comm/world.h"
#include "core/error.h"
#include "core/hash.h"
#include "core/self_digest.h"
#include "core/text.h"
#include "run/resume.h"
#include "run/stop_signal.h"
#include "run/training_run.h"

namespace valley::app {
namespace {

constexpr const char* kTrainHelp =
    "Train a model on the ranks of a job.\n\n"
    "Examples:\n"
    "  valley train configs/quickstart.toml                             one rank\n"
    "  mpirun -n 8 valley train configs/began-256.toml data.path=shards eight ranks or GPUs\n"
    "  valley train configs/began-64.toml train.steps=100 --dry-run     print the plan\n"
    "  mpirun -n 4 valley train --resume runs/00007-began-64            resume, any ranks\n"
    "  valley train --keys optimizer                                    keys of a section";

constexpr double kMinBusBandwidth = 1e-3;  // GB/s
constexpr double kMaxBusBandwidth = 1e6;
constexpr double kBytesPerGigabyte = 1e9;
constexpr int kMaxRanks = 1'000'000;

struct TrainArguments {
  std::vector<std::string> words;  // config file and overrides
  std::string keys = "-";
  bool markdown = false;
  double bus_gigabytes = 10;
  TrainRequest request;
};

bool is_override(const std::string& word) { return word.find('=') != std::string::npos; }

bool path_exists(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

// A run directory in the place of the config is probably meant for --resume.
void reject_run_as_config(const std::string& word) {
  for (const char* sign : {"config.toml", "COMMIT"}) {
    if (path_exists(std::filesystem::path(word) / sign))
      throw Error(ExitCode::kUsage,
                  "{0} is a run or a checkpoint, not a CONFIG.toml; to resume it: valley train "
                  "--resume {0}",
                  word);
  }
}

// "began-64" for the run directory "00007-began-64", else "".
std::string name_of_run(const std::filesystem::path& folder) {
  const std::string text = folder.filename().string();
  const auto digits = text.find_first_not_of("0123456789");
  constexpr std::size_t kMinDigits = 5;
  if (digits == std::string::npos || digits < kMinDigits || text[digits] != '-') return "";
  return text.substr(digits + 1);
}

// The name of a run's folder, from the name of its config file or, for config.toml, from the run
// that holds it. Characters other than letters, digits, '.', '_' and '-' become '-'. A hash of the
// whole name follows if it is not ASCII or too long: otherwise all configs of some languages would
// share one name, and --resume auto would take the run of another config.
std::string run_name(const std::filesystem::path& file) {
  constexpr std::size_t kMaxNameBytes = 200;
  constexpr std::size_t kHashDigits = 8;
  const std::string text = file.string();
  const bool is_stream = text.starts_with("/dev/") || text.starts_with("/proc/");
  const std::string run = name_of_run(std::filesystem::absolute(file).parent_path());
  const bool is_of_run = file.filename() == "config.toml";
  if (is_stream || (is_of_run && run.empty())) return "run";
  const std::string stem = is_of_run ? run : file.stem().string();
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

// The config of a run, if `path` is that run or one of its checkpoints. A user has not looked at
// it, so it must be as Valley wrote it.
std::optional<std::filesystem::path> config_of_run(const std::filesystem::path& path) {
  for (const auto& folder : {path, path.parent_path().parent_path()}) {
    const std::filesystem::path file = folder / "config.toml";
    if (!path_exists(file)) continue;
    require_digest_line(read_config(file), file.string());
    return file;
  }
  return std::nullopt;
}

// The config file on the command line, or else that of the resumed run. Sets `overrides`.
std::filesystem::path config_file(const TrainArguments& a, std::vector<std::string>& overrides) {
  overrides = a.words;
  if (!a.words.empty() && !is_override(a.words.front())) {
    overrides.erase(overrides.begin());
    reject_run_as_config(a.words.front());
    return a.words.front();
  }
  const std::string& resume = a.request.resume;
  if (resume == "none" && !a.request.fork.from.empty()) {
    if (auto file = config_of_run(resume_path(a.request.fork.from))) return *std::move(file);
    throw Error(ExitCode::kUsage,
                "--from {} is not in a run, whose config could be used: name a CONFIG.toml as well",
                a.request.fork.from);
  }
  if (resume != "none" && resume != "auto") {
    const std::filesystem::path path = resume_path(resume);
    if (auto file = config_of_run(path)) return *std::move(file);
    throw Error(
        ExitCode::kMissingInput, "--resume {}: {}", resume,
        path_exists(path / "COMMIT")
            ? "it is a checkpoint without its run; name its CONFIG.toml as well"
            : "it is neither a run directory (no config.toml) nor a checkpoint (no COMMIT)" +
                  tilde_hint(resume));
  }
  throw Error(ExitCode::kUsage,
              "valley train needs a CONFIG.toml (or --resume RUN); see valley train --help");
}

// The objective whose defaults `valley train --keys objective.name=magan` prints.
std::string requested_objective(const TrainArguments& a) {
  Experiment named;
  named.schema().load_text("", "", a.words);
  return named.objective.name;
}

void print_keys(const TrainArguments& a) {
  Experiment experiment =
      Experiment::with_defaults_of(a.words.empty() ? "began" : requested_objective(a));
  const Schema schema = experiment.schema();
  print_to_stdout("{}",
                  a.markdown ? schema.describe_keys_markdown() : schema.describe_keys(a.keys));
}

void train(TrainArguments& a) {
  if (a.request.json && !a.request.dry_run)
    throw Error(ExitCode::kUsage, "--json prints the plan of --dry-run: add --dry-run");
  const ForkRequest& fork = a.request.fork;
  if (fork.from.empty() && (fork.with_state || !fork.networks.empty()))
    throw Error(ExitCode::kUsage, "{} needs --from PATH",
                fork.with_state ? "--from-state" : "--from-networks");
  if (a.request.out.empty()) throw Error(ExitCode::kUsage, "--out is empty; name a folder");
  std::vector<std::string> overrides;
  const std::filesystem::path file = config_file(a, overrides);
  Experiment experiment;
  // Before install_stop_signals, so that Ctrl-C ends a program that waits for the writer of a pipe.
  Schema schema = Experiment::load(experiment, file, overrides);
  install_stop_signals(launch_info().rank == 0);
  experiment.resolve(schema);
  a.request.name = run_name(file);
  a.request.version = version_text();
  a.request.question.bus_bandwidth = kBytesPerGigabyte * a.bus_gigabytes;
  const auto world = World::join(device_choice(experiment.train.device),
                                 std::chrono::seconds(experiment.performance.rank_timeout));
  const int code = run_training(*world, a.request, experiment, schema);
  if (code != 0) throw CLI::RuntimeError(code);
}

void add_options(CLI::App& command, TrainArguments& a) {
  command.add_option("config", a.words, "CONFIG.toml, then section.key=value to override its keys")
      ->type_name("CONFIG.toml [section.key=value ...]");
  command
      .add_option(
          "--resume", a.request.resume,
          "none: a new run; auto: the newest run of this name under --out (an error if its config "
          "differs), else a new run; PATH: the run or checkpoint to resume")
      ->type_name("none|auto|PATH")
      ->capture_default_str();
  command
      .add_option("--from", a.request.fork.from,
                  "A new run that starts from the weights of this run (its newest checkpoint), "
                  "checkpoint or model.safetensors; tensors that do not fit are initialized anew")
      ->type_name("PATH");
  command.add_flag("--from-state", a.request.fork.with_state,
                   "With --from: also from its optimizer, objective and position");
  command
      .add_option("--from-networks", a.request.fork.networks,
                  "With --from: the networks that are taken [all]")
      ->delimiter(',')
      ->type_name("NAME,...");
  command.add_option("--out", a.request.out, "Folder of the numbered runs")
      ->type_name("DIR")
      ->capture_default_str();
  command.add_flag("--dry-run", a.request.dry_run,
                   "Check everything, print the resolved config and the plan, stop");
  command.add_flag("--json", a.request.json,
                   "With --dry-run: one JSON object on stdout instead of text");
  command
      .add_option(
          "--bus-bandwidth", a.bus_gigabytes,
          "With --dry-run: bus bandwidth of the network in GB/s, as in valley bench allreduce")
      ->transform(number_range<double>(kMinBusBandwidth, kMaxBusBandwidth))
      ->type_name("GB/S")
      ->capture_default_str();
  command
      .add_option("--bus-ranks", a.request.question.ranks,
                  "With --dry-run: ranks of the all-reduce estimate; 0: those of this job, or 8 if "
                  "it has one")
      ->transform(number_range<int>(0, kMaxRanks))
      ->type_name("N")
      ->capture_default_str();
  command
      .add_option("--keys", a.keys,
                  "Print all config keys, or those that start with PREFIX, and stop")
      ->type_name("[PREFIX]")
      ->expected(0, 1)
      ->default_str("");
  command.add_flag("--markdown", a.markdown, "With --keys: in Markdown, as in docs/config.md");
}

}  // namespace

void add_train_command(CLI::App& app, const std::string& command_line) {
  auto a = std::make_shared<TrainArguments>();
  a->request.command = command_line;
  CLI::App* command = app.add_subcommand("train", kTrainHelp);
  add_options(*command, *a);
  command->callback([a, command] {
    if (command->count("--keys") > 0) {
      print_keys(*a);
    } else {
      train(*a);
    }
  });
}

}  // namespace valley::app
