#include <fmt/core.h>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <charconv>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "app/bench/subcommands.h"
#include "app/options.h"
#include "app/print_result.h"
#include "bench/allreduce_bench.h"
#include "comm/mpi_communicator.h"
#include "comm/world.h"
#include "core/error.h"

namespace valley::app {
namespace {

constexpr const char* kAllReduceHelp =
    "Measure all-reduce between the ranks of a job: over MPI for CPUs, over NCCL for GPUs.\n\n"
    "Examples:\n"
    "  mpirun -n 2 valley bench allreduce\n"
    "  mpirun -n 8 valley bench allreduce --sizes 1M,21M,256M --tree\n"
    "  mpirun -n 2 valley bench allreduce --device cpu --chunk 512K";

constexpr std::int64_t kMinBytes = 4;  // one float
constexpr std::int64_t kMaxBytes = std::int64_t{1} << 36;
constexpr std::int64_t kMaxRepeats = 100'000;

struct AllReduceArguments {
  std::vector<std::string> sizes;
  std::string chunk;
  std::string device = "auto";
  bool json = false;
  AllReduceBenchOptions options;
};

// "64M": 64 MiB.
std::int64_t parse_bytes(const std::string& text, const std::string& option) {
  static constexpr std::string_view kUnits = "KMG";
  const std::size_t unit = text.empty() ? std::string_view::npos : kUnits.find(text.back());
  const std::size_t digits = text.size() - (unit == std::string_view::npos ? 0 : 1);
  const int shift = unit == std::string_view::npos ? 0 : 10 * (static_cast<int>(unit) + 1);
  std::int64_t number = 0;
  const char* end = text.data() + digits;
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error == std::errc() && stop == end && number > 0 && number <= (kMaxBytes >> shift) &&
      (number << shift) >= kMinBytes)
    return number << shift;
  throw Error(ExitCode::kUsage, "{} {}: write a number of bytes from 4 to 64G, such as 4K or 64M",
              option, text);
}

void bench(AllReduceArguments& a) {
  if (!a.sizes.empty()) a.options.sizes.clear();
  for (const std::string& text : a.sizes) a.options.sizes.push_back(parse_bytes(text, "--sizes"));
  const std::int64_t chunk = a.chunk.empty() ? 0 : parse_bytes(a.chunk, "--chunk");
  const auto world = World::join(device_choice(a.device));
  const bool has_chunks = world->device().name() == "mpi";
  if (chunk > 0 && !has_chunks)
    throw Error(ExitCode::kUsage, "--chunk: {} has no chunk size to set; leave it out",
                world->device().name());
  const auto other = chunk > 0 ? make_mpi_communicator(chunk) : nullptr;
  Communicator& between = other ? *other : world->device();
  const std::vector<AllReduceTimes> times = bench_all_reduce(between, a.options);
  if (world->rank() == 0) {
    print_result(
        a.json, [&] { return to_json(times, between); }, [&] { return to_text(times, between); });
  }
  world->host().barrier();
}

}  // namespace

void add_bench_allreduce(CLI::App& bench_command) {
  auto a = std::make_shared<AllReduceArguments>();
  CLI::App* command = bench_command.add_subcommand("allreduce", kAllReduceHelp);
  command->add_option("--sizes", a->sizes, "Buffer sizes in bytes [4K,1M,64M]")
      ->delimiter(',')
      ->type_name("BYTES,...");
  command->add_option("--chunk", a->chunk, "Bytes per MPI transfer [2M]")->type_name("BYTES");
  command
      ->add_option("--repeats", a->options.repeats, "Number of repetitions; the median is reported")
      ->transform(number_range<std::int64_t>(1, kMaxRepeats))
      ->type_name("N")
      ->capture_default_str();
  command->add_flag("--tree", a->options.tree,
                    "Measure the tree sums of reproducible training instead");
  add_device_option(*command, a->device);
  add_json_option(*command, a->json);
  command->callback([a] { bench(*a); });
}

}  // namespace valley::app
