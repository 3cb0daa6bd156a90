// Measures all-reduce over the ranks of a job for several buffer sizes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "comm/communicator.h"

namespace valley {

struct AllReduceBenchOptions {
  std::vector<std::int64_t> sizes = {4 << 10, 1 << 20, 64 << 20};  // bytes of floats
  std::int64_t repeats = 10;
  bool tree = false;  // use tree_reduce, as reproducible training does
};

struct AllReduceTimes {
  std::int64_t bytes = 0;
  std::vector<double> seconds;  // per call, one mean over several calls per repetition
};

// Collective. Error kInternal for a wrong sum.
[[nodiscard]] std::vector<AllReduceTimes> bench_all_reduce(Communicator& communicator,
                                                           const AllReduceBenchOptions& options);

// The reports have the bus bandwidth of nccl-tests: 2 (n - 1) / n times the bytes, divided by the
// time.
[[nodiscard]] std::string to_json(const std::vector<AllReduceTimes>& times, Communicator& between);
[[nodiscard]] std::string to_text(const std::vector<AllReduceTimes>& times, Communicator& between);

}  // namespace valley
