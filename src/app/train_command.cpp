#include "app/train_command.h"

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <string>
#include <vector>

#include "app/version.h"
#include "comm/world.h"
#include "core/error.h"
#include "train/resume.h"
#include "train/stop_signal.h"
#include "train/training_run.h"

namespace valley::app {
namespace {

constexpr const char* kHelp =
    "Train a model, on as many ranks as the launcher starts.\n\n"
    "Examples:\n"
    "  valley train configs/quickstart.toml                             one rank\n"
    "  mpirun -n 8 valley train configs/began-256.toml data.path=shards eight ranks, a GPU each "
    "where there are eight\n"
    "  valley train configs/began-64.toml train.steps=100 --dry-run     check everything, print "
    "the plan, stop\n"
    "  mpirun -n 4 valley train --resume runs/00007-began-64            go on, on any number of "
    "ranks\n"
    "  valley train --keys optimizer                                    every key of a section, "
    "with its default";

struct Arguments {
  std::vector<std::string> words;  // config file and overrides
  std::string keys = "-";
  bool markdown = false;
  TrainRequest request;
};

bool is_override(const std::string& word) { return word.find('=') != std::string::npos; }

// The config file: named, or that of the run which is resumed.
std::filesystem::path config_file(const Arguments& a, std::vector<std::string>& overrides) {
  overrides = a.words;
  if (!a.words.empty() && !is_override(a.words.front())) {
    overrides.erase(overrides.begin());
    return a.words.front();
  }
  const std::string& resume = a.request.resume;
  if (resume != "none" && resume != "auto") {
    const std::filesystem::path path = resume_path(resume);
    for (const auto& folder : {path, path.parent_path().parent_path()}) {
      std::error_code ignored;
      if (std::filesystem::exists(folder / "config.toml", ignored)) return folder / "config.toml";
    }
  }
  throw Error(ExitCode::kUsage,
              "valley train needs a CONFIG.toml (or --resume RUN); see valley train --help");
}

DeviceChoice device_choice(const std::string& name) {
  return name == "cpu"    ? DeviceChoice::kCpu
         : name == "cuda" ? DeviceChoice::kCuda
                          : DeviceChoice::kAuto;
}

void print_keys(const Arguments& a) {
  Experiment experiment;
  const Schema schema = experiment.schema();
  fmt::print("{}", a.markdown ? schema.describe_keys_markdown() : schema.describe_keys(a.keys));
}

void train(Arguments& a) {
  install_stop_signals(launch_info().rank == 0);
  std::vector<std::string> overrides;
  const std::filesystem::path file = config_file(a, overrides);
  Experiment experiment;
  Schema schema = experiment.schema();
  schema.load(file, overrides);
  experiment.resolve(schema);
  a.request.name = file.filename() == "config.toml" ? "run" : file.stem().string();
  a.request.version = version_text();
  const auto world = World::join(device_choice(experiment.train.device));
  const int code = run_training(*world, a.request, experiment, schema);
  if (code != 0) throw CLI::RuntimeError(code);
}

}  // namespace

void add_train_command(CLI::App& app, const std::string& command_line) {
  auto a = std::make_shared<Arguments>();
  a->request.command = command_line;
  CLI::App* command = app.add_subcommand("train", kHelp);
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
