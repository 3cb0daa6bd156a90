#include "bench/allreduce_bench.h"

#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "bench/statistics.h"
#include "core/error.h"
#include "core/json_text.h"
#include "core/text.h"
#include "kernels/device.h"
#include "plan/plan_report.h"

namespace valley {
namespace {

constexpr std::int64_t kBytesPerRepeat = 64 << 20;
constexpr std::int64_t kMaxCalls = 200;

void reduce(Communicator& communicator, const at::Tensor& buffer, bool tree) {
  (tree ? communicator.tree_reduce(buffer) : communicator.all_reduce(buffer, ReduceOp::kSum))
      ->wait();
}

// Reduces rank + 1: the exact sum over n ranks is n (n + 1) / 2 in every element.
void require_correct_sum(Communicator& communicator, const at::Tensor& buffer, bool tree) {
  buffer.fill_(communicator.rank() + 1);
  reduce(communicator, buffer, tree);
  const double n = communicator.size();
  const bool is_correct = buffer.min().item<double>() == n * (n + 1) / 2 &&
                          buffer.max().item<double>() == n * (n + 1) / 2;
  if (!is_correct)
    throw Error(ExitCode::kInternal, "{}: an all-reduce of {} bytes gave a wrong sum",
                communicator.name(), buffer.nbytes());
}

double time_call(Communicator& communicator, const at::Tensor& buffer, bool tree,
                 std::int64_t calls) {
  communicator.barrier();
  const auto began = std::chrono::steady_clock::now();
  for (std::int64_t i = 0; i < calls; ++i) reduce(communicator, buffer, tree);
  synchronize(communicator.device());
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - began;
  return passed.count() / static_cast<double>(calls);
}

double bus_bandwidth(const AllReduceTimes& t, int ranks) {
  const double n = ranks;
  return 2 * (n - 1) / n * static_cast<double>(t.bytes) / quartiles(t.seconds).median;
}

}  // namespace

std::vector<AllReduceTimes> bench_all_reduce(Communicator& communicator,
                                             const AllReduceBenchOptions& options) {
  std::vector<AllReduceTimes> all;
  for (const std::int64_t bytes : options.sizes) {
    const at::Tensor buffer = at::zeros({std::max<std::int64_t>(1, bytes / 4)},
                                        at::TensorOptions(communicator.device()).dtype(at::kFloat));
    require_correct_sum(communicator, buffer, options.tree);
    buffer.zero_();  // sums of sums would overflow
    const std::int64_t calls = std::clamp<std::int64_t>(kBytesPerRepeat / bytes, 1, kMaxCalls);
    AllReduceTimes times{buffer.numel() * 4, {}};
    for (std::int64_t i = 0; i < options.repeats; ++i)
      times.seconds.push_back(time_call(communicator, buffer, options.tree, calls));
    all.push_back(std::move(times));
  }
  return all;
}

std::string to_json(const std::vector<AllReduceTimes>& times, Communicator& between) {
  nlohmann::json sizes = nlohmann::json::array();
  for (const AllReduceTimes& t : times) {
    sizes.push_back({{"bytes", t.bytes},
                     {"seconds", t.seconds},
                     {"median", quartiles(t.seconds).median},
                     {"bus_bandwidth", bus_bandwidth(t, between.size())}});
  }
  return write_json(nlohmann::json(
             {{"ranks", between.size()}, {"communicator", between.name()}, {"sizes", sizes}})) +
         "\n";
}

std::string to_text(const std::vector<AllReduceTimes>& times, Communicator& between) {
  std::string text = fmt::format("{} ranks, {}\n{:>12} {:>12} {:>12} {:>12} {:>16}\n",
                                 between.size(), between.name(), "size", "median us",
                                 "first quart.", "third quart.", "bus bandwidth");
  for (const AllReduceTimes& t : times) {
    const Quartiles q = quartiles(t.seconds);
    text += fmt::format("{:>12} {:>12.1f} {:>12.1f} {:>12.1f} {:>11.2f} GB/s\n",
                        format_bytes(t.bytes), 1e6 * q.median, 1e6 * q.low, 1e6 * q.high,
                        bus_bandwidth(t, between.size()) / 1e9);
  }
  return text;
}

}  // namespace valley
