// Measures the loader on a data set without training.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/loader.h"
#include "data/order.h"

namespace valley {

struct LoaderBenchOptions {
  std::int64_t batch = 64;
  std::int64_t threads = 1;    // reader threads
  std::int64_t batches = 500;  // timed, per repetition
  std::int64_t repeats = 5;
  Verify verify = Verify::kFirstEpoch;
  OrderKind order = OrderKind::kGlobal;
  std::uint64_t seed = 0;
  // Removes the shards from the page cache before each repetition.
  bool is_cold = false;
};

struct LoaderBench {
  std::vector<double> seconds;  // per repetition
  std::int64_t images = 0;      // per repetition
  std::int64_t image_bytes = 0;
  // Bytes that the kernel read from storage for this process, per repetition; 0 if unknown.
  std::int64_t storage_bytes = 0;
};

// Each repetition starts at the first position with a new loader. An untimed one before them warms
// the page cache, unless options.is_cold. Errors are those of Loader; kUsage with is_cold for more
// images per repetition than the data set has, because the cache would serve the others.
[[nodiscard]] LoaderBench bench_loader(const std::shared_ptr<const Dataset>& dataset,
                                       const LoaderBenchOptions& options);

[[nodiscard]] std::string to_json(const LoaderBench& bench, const LoaderBenchOptions& options);
[[nodiscard]] std::string to_text(const LoaderBench& bench, const LoaderBenchOptions& options);

}  // namespace valley
