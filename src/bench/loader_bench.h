// Times the loader on a data set alone: images that it brings to memory while nobody trains.
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
  std::int64_t threads = 1;    // that read
  std::int64_t batches = 500;  // timed, in each repeat
  std::int64_t repeats = 5;
  Verify verify = Verify::kFirstEpoch;
  OrderKind order = OrderKind::kGlobal;
  std::uint64_t seed = 0;
};

struct LoaderBench {
  std::vector<double> seconds;  // of each repeat
  std::int64_t images = 0;      // of a repeat
  std::int64_t image_bytes = 0;
};

// Each repeat begins at the first position with a loader of its own and is timed from its first
// batch on; one more before them warms the page cache. Errors as Loader's.
[[nodiscard]] LoaderBench bench_loader(const std::shared_ptr<const Dataset>& dataset,
                                       const LoaderBenchOptions& options);

[[nodiscard]] std::string to_json(const LoaderBench& bench, const LoaderBenchOptions& options);
[[nodiscard]] std::string to_text(const LoaderBench& bench, const LoaderBenchOptions& options);

}  // namespace valley
