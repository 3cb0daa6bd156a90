// Distribution of an evaluation over ranks and threads in blocks of images, with bitwise equal
// results for any number of ranks and threads.
//
// All floating-point work of a block is done by one thread with single-threaded LibTorch. Sums over
// blocks are taken in the order of the blocks, or are sums of integers.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>

#include "comm/communicator.h"
#include "kernels/threads.h"

namespace valley {

inline constexpr std::int64_t kBlockImages = 32;

// Units [first, last) of a rank. All ranks but the last ones have equally many.
struct Share {
  std::int64_t first = 0;
  std::int64_t last = 0;
  [[nodiscard]] std::int64_t count() const { return last - first; }
};
[[nodiscard]] Share compute_share(std::int64_t units, int rank, int size);

// The ranks and threads that evaluate together.
struct Team {
  Communicator* ranks;  // for CPU tensors
  int threads = 1;      // per rank
  // Called by any thread after each unit of a named task, with the completed share (0 to 1) of this
  // rank's work. May be empty.
  std::function<void(const std::string& task, double share)> progress;

  [[nodiscard]] Share share(std::int64_t units) const {
    return compute_share(units, ranks->rank(), ranks->size());
  }
};

// Calls work(unit) for each unit of `share`, on the team's threads, in any order. Rethrows the
// first exception. Not collective. `task`: its name in progress reports, "" for none.
void for_each_unit(const Team& team, const std::string& task, const Share& share,
                   const std::function<void(std::int64_t)>& work);
// The same on the calling thread only.
void for_each_unit_in_order(const Team& team, const std::string& task, const Share& share,
                            const std::function<void(std::int64_t)>& work);

// Collective: the rows of all ranks in the order of the units, [rows, ...] on every rank. own:
// [n, ...] contiguous on the host, this rank's units of `unit_rows` rows each (the last unit of all
// may have fewer). `rows`: total over all units.
[[nodiscard]] at::Tensor gather_rows(const Team& team, const at::Tensor& own,
                                     std::int64_t unit_rows, std::int64_t rows);

// Number of blocks of a set of `images`, and of images in one block.
[[nodiscard]] std::int64_t count_blocks(std::int64_t images);
[[nodiscard]] std::int64_t images_in_block(std::int64_t images, std::int64_t block);

}  // namespace valley
