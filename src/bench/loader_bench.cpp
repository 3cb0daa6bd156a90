#include "bench/loader_bench.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string_view>

#include "bench/statistics.h"
#include "core/error.h"
#include "core/json_text.h"
#include "core/text.h"

namespace valley {
namespace {

// Clean pages of the shards; those that another process has mapped stay.
void drop_from_page_cache(const std::filesystem::path& directory) {
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const int descriptor = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) continue;
    ::fdatasync(descriptor);
    ::posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
    ::close(descriptor);
  }
}

// Bytes read from storage since the start of this process.
std::int64_t bytes_from_storage() {
  constexpr std::string_view kField = "read_bytes: ";
  std::ifstream io("/proc/self/io");
  for (std::string line; std::getline(io, line);)
    if (line.starts_with(kField)) return std::atoll(line.c_str() + kField.size());
  return 0;
}

double time_batches(const std::shared_ptr<const Dataset>& dataset,
                    const LoaderBenchOptions& options) {
  LoaderOptions loading;
  loading.global_batch = options.batch;
  loading.threads = options.threads;
  loading.verify = options.verify;
  if (options.is_cold) drop_from_page_cache(dataset->directory());
  const auto created = std::chrono::steady_clock::now();
  Loader loader(dataset, Order(options.seed, dataset->size(), options.order), loading);
  // The loader fills its ring before the first request, so these batches are not timed. With a cold
  // cache all are: the ring is a small part of them.
  const std::int64_t untimed = options.is_cold ? 0 : loading.depth;
  for (std::int64_t i = 0; i < untimed; ++i) static_cast<void>(loader.next());
  const auto began = options.is_cold ? created : std::chrono::steady_clock::now();
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
  if (options.is_cold && static_cast<std::uint64_t>(bench.images) > dataset->size())
    throw Error(ExitCode::kUsage,
                "--cold: {} batches of {} images are more than the {} of {}; use fewer --batches",
                options.batches, options.batch, dataset->size(), dataset->directory().string());
  if (!options.is_cold) static_cast<void>(time_batches(dataset, options));
  const std::int64_t bytes_before = bytes_from_storage();
  for (std::int64_t i = 0; i < options.repeats; ++i)
    bench.seconds.push_back(time_batches(dataset, options));
  bench.storage_bytes = (bytes_from_storage() - bytes_before) / options.repeats;
  return bench;
}

std::string to_json(const LoaderBench& bench, const LoaderBenchOptions& options) {
  const double rate = loaded_per_second(bench);
  return write_json(nlohmann::json(
             {{"batch", options.batch},
              {"threads", options.threads},
              {"images", bench.images},
              {"image_bytes", bench.image_bytes},
              {"storage_bytes", bench.storage_bytes},
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
