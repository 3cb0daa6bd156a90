#include "bench/loader_bench.h"

#include <fmt/core.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "bench/statistics.h"
#include "core/json_text.h"
#include "core/text.h"

namespace valley {
namespace {

double time_batches(const std::shared_ptr<const Dataset>& dataset,
                    const LoaderBenchOptions& options) {
  LoaderOptions loading;
  loading.global_batch = options.batch;
  loading.threads = options.threads;
  loading.verify = options.verify;
  Loader loader(dataset, Order(options.seed, dataset->size(), options.order), loading);
  // The loader fills its ring before the first request, so these batches are not timed.
  for (std::int64_t i = 0; i < loading.depth; ++i) static_cast<void>(loader.next());
  const auto began = std::chrono::steady_clock::now();
  for (std::int64_t i = 0; i < options.batches; ++i) static_cast<void>(loader.next());
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

double loaded_per_second(const LoaderBench& bench) {
  return static_cast<double>(bench.images) / quartiles(bench.seconds).median;
}

}  // namespace

LoaderBench bench_loader(const std::shared_ptr<const Dataset>& dataset,
                         const LoaderBenchOptions& options) {
  LoaderBench bench;
  bench.images = options.batch * options.batches;
  bench.image_bytes = static_cast<std::int64_t>(dataset->image_bytes());
  static_cast<void>(time_batches(dataset, options));
  for (std::int64_t i = 0; i < options.repeats; ++i)
    bench.seconds.push_back(time_batches(dataset, options));
  return bench;
}

std::string to_json(const LoaderBench& bench, const LoaderBenchOptions& options) {
  const double rate = loaded_per_second(bench);
  return write_json(nlohmann::json(
             {{"batch", options.batch},
              {"threads", options.threads},
              {"images", bench.images},
              {"image_bytes", bench.image_bytes},
              {"seconds", bench.seconds},
              {"images_per_second", rate},
              {"images_per_second_and_thread", rate / static_cast<double>(options.threads)}})) +
         "\n";
}

std::string to_text(const LoaderBench& bench, const LoaderBenchOptions& options) {
  constexpr double kMega = 1e6;
  const double rate = loaded_per_second(bench);
  return fmt::format(
      "{:.0f} images/s on {} ({:.0f} per thread), {:.0f} MB/s; batches of {}, median of "
      "{} "
      "repetitions of {} images\n",
      rate, plural(options.threads, "thread"), rate / static_cast<double>(options.threads),
      rate * static_cast<double>(bench.image_bytes) / kMega, options.batch, bench.seconds.size(),
      bench.images);
}

}  // namespace valley
