// Times all-reduce over the ranks of a job, for buffers of several sizes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "comm/communicator.h"

namespace valley {

struct AllReduceBenchOptions {
  std::vector<std::int64_t> sizes = {4 << 10, 1 << 20, 64 << 20};  // bytes of floats
  std::int64_t repeats = 10;
  bool tree = false;  // tree_reduce, as reproducible training does
};

struct AllReduceTimes {
  std::int64_t bytes = 0;
  std::vector<double> seconds;  // of one call, the mean of some in a row, by repeat
};

// Collective. Error kInternal where a sum comes out wrong.
[[nodiscard]] std::vector<AllReduceTimes> bench_all_reduce(Communicator& communicator,
                                                           const AllReduceBenchOptions& options);

// Bus bandwidth as nccl-tests has it: 2 (n - 1) / n times the bytes, over the time.
[[nodiscard]] std::string to_json(const std::vector<AllReduceTimes>& times, Communicator& between);
[[nodiscard]] std::string to_text(const std::vector<AllReduceTimes>& times, Communicator& between);

}  // namespace valley
