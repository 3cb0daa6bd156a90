#include <fmt/core.h>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "app/bench/subcommands.h"
#include "app/options.h"
#include "app/print_result.h"
#include "bench/loader_bench.h"

namespace valley::app {
namespace {

constexpr const char* kLoaderHelp =
    "Measure the loader on a data set, without training: images per second read into memory in "
    "training order.\n\n"
    "Examples:\n"
    "  valley bench loader data/emoji-64\n"
    "  valley bench loader data/emoji-64 --batch 16 --threads 2 --verify off";

constexpr std::int64_t kMaxLoads = 1'000'000;
constexpr std::int64_t kMaxThreads = 1024;

struct LoaderArguments {
  std::filesystem::path data;
  std::string verify = "first-epoch";
  std::string order = "global";
  bool json = false;
  LoaderBenchOptions options;
};

void bench(LoaderArguments& a) {
  a.options.verify = parse_verify(a.verify);
  a.options.order = parse_order(a.order);
  const std::shared_ptr<const Dataset> dataset = Dataset::open(a.data);
  const LoaderBench found = bench_loader(dataset, a.options);
  print_result(
      a.json, [&] { return to_json(found, a.options); }, [&] { return to_text(found, a.options); });
}

}  // namespace

void add_bench_loader(CLI::App& bench_command) {
  auto a = std::make_shared<LoaderArguments>();
  CLI::App* command = bench_command.add_subcommand("loader", kLoaderHelp);
  command->add_option("data", a->data, "The data set: a folder of shards")
      ->required()
      ->type_name("DIR");
  const auto count = [&](const char* name, std::int64_t& value, std::int64_t max,
                         const char* help) {
    command->add_option(name, value, help)
        ->transform(number_range<std::int64_t>(1, max))
        ->type_name("N")
        ->capture_default_str();
  };
  count("--batch", a->options.batch, kMaxLoads, "Images per batch");
  count("--threads", a->options.threads, kMaxThreads, "Reader threads");
  count("--batches", a->options.batches, kMaxLoads, "Batches per repetition");
  count("--repeats", a->options.repeats, kMaxLoads, "Number of timed repetitions");
  command->add_option("--verify", a->verify, "When to verify CRC32C, as data.verify")
      ->check(CLI::IsMember(verify_names()))
      ->capture_default_str();
  command->add_option("--order", a->order, "How to shuffle images, as data.order")
      ->check(CLI::IsMember(order_names()))
      ->capture_default_str();
  command->add_flag("--cold", a->options.is_cold,
                    "Remove the shards from the page cache before each repetition, to measure the "
                    "storage; at most one epoch per repetition");
  add_json_option(*command, a->json);
  command->callback([a] { bench(*a); });
}

}  // namespace valley::app
