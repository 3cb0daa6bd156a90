// How an evaluation is shared out: into blocks of images, to ranks and to threads, so that neither
// number changes a bit.
//
// Everything that rounds is computed within one block, by one thread whose LibTorch runs single-
// threaded; what is added up over blocks is added in the order of the blocks, or is a whole number.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>

#include "comm/communicator.h"
#include "kernels/threads.h"

namespace valley {

inline constexpr std::int64_t kBlockImages = 32;

// Units [first, last) of a rank: the same number for each but the last ones.
struct Share {
  std::int64_t first = 0;
  std::int64_t last = 0;
  [[nodiscard]] std::int64_t count() const { return last - first; }
};
[[nodiscard]] Share share_of(std::int64_t units, int rank, int size);

// Who works together.
struct Team {
  Communicator* ranks;  // of CPU tensors
  int threads = 1;      // of this rank
  // Called after each unit of what has a name, with the name and how much of this rank's share of
  // it is done (0 to 1), by any thread. May be empty.
  std::function<void(const std::string& doing, double share)> progress;

  [[nodiscard]] Share share(std::int64_t units) const {
    return share_of(units, ranks->rank(), ranks->size());
  }
};

// Calls work(unit) for each unit of `share`, on the team's threads, in any order. The first
// exception ends it and is thrown again here. Not collective.
void for_each_unit(const Team& team, const std::string& doing, const Share& share,
                   const std::function<void(std::int64_t)>& work);
// The same on the calling thread alone.
void for_each_unit_in_order(const Team& team, const std::string& doing, const Share& share,
                            const std::function<void(std::int64_t)>& work);

// Collective: the rows of all ranks in the order of the units. own: [n, ...] contiguous on the
// host, this rank's units of `unit_rows` rows each (the very last unit may have fewer); `rows`: of
// all units together. Returns [rows, ...] on every rank.
[[nodiscard]] at::Tensor gather_rows(const Team& team, const at::Tensor& own,
                                     std::int64_t unit_rows, std::int64_t rows);

// Of a set of `images`: how many blocks, and how many images the block has.
[[nodiscard]] std::int64_t blocks_of(std::int64_t images);
[[nodiscard]] std::int64_t images_in_block(std::int64_t images, std::int64_t block);

}  // namespace valley
