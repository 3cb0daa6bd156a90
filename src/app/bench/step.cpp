#include <fmt/core.h>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <string>
#include <vector>

#include "app/bench/subcommands.h"
#include "app/options.h"
#include "app/print_result.h"
#include "bench/step_bench.h"
#include "comm/world.h"
#include "core/error.h"

namespace valley::app {
namespace {

constexpr const char* kStepHelp =
    "Measure the training step of a config on the ranks of a job, without writing any file.\n\n"
    "Examples:\n"
    "  mpirun -n 2 valley bench step configs/began-64.toml model.width=32    synthetic images\n"
    "  mpirun -n 8 valley bench step configs/began-256.toml --exposed        cost of reductions\n"
    "  valley bench step configs/began-64.toml data.path=data/x --data       images from shards";

constexpr std::int64_t kMaxSteps = 1'000'000;

struct StepArguments {
  std::vector<std::string> words;  // config file and overrides
  bool json = false;
  StepBenchOptions options;
};

void bench(const StepArguments& a) {
  const std::vector<std::string> overrides(a.words.begin() + 1, a.words.end());
  Experiment experiment;
  Schema schema = Experiment::load(experiment, a.words.front(), overrides);
  if (!a.options.from_data) {
    experiment.data.path = "synthetic images";
    experiment.data.validation.clear();
    experiment.evaluate.validation_every.reset();
  }
  experiment.resolve(schema);
  const auto world = World::join(device_choice(experiment.train.device),
                                 std::chrono::seconds(experiment.performance.rank_timeout));
  world->require_equal("the config", schema.to_toml());
  const StepBench found = bench_step(*world, experiment, a.options);
  if (world->rank() == 0)
    print_result(
        a.json, [&] { return to_json(found); }, [&] { return to_text(found); });
  world->host().barrier();
}

}  // namespace

void add_bench_step(CLI::App& bench_command) {
  auto a = std::make_shared<StepArguments>();
  CLI::App* command = bench_command.add_subcommand("step", kStepHelp);
  command
      ->add_option("config", a->words, "CONFIG.toml, then section.key=value to override its keys")
      ->required()
      ->type_name("CONFIG.toml [section.key=value ...]");
  command->add_option("--steps", a->options.steps, "Number of timed steps")
      ->transform(number_range<std::int64_t>(1, kMaxSteps))
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--warmup", a->options.warmup, "Number of untimed steps before them")
      ->transform(number_range<std::int64_t>(0, kMaxSteps))
      ->type_name("N")
      ->capture_default_str();
  command->add_flag("--data", a->options.from_data,
                    "Read the images of data.path with the loader, instead of synthetic images");
  command->add_flag(
      "--exposed", a->options.exposed,
      "Also alternate steps with and without reductions, to measure their exposed time");
  add_json_option(*command, a->json);
  command->callback([a] { bench(*a); });
}

}  // namespace valley::app
