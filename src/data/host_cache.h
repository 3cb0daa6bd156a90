// One copy of a data set's pixels per host, in memory that its ranks share.
//
// The memory has no name in a file system: it belongs to a descriptor of the first rank of the
// host, which the others open, and is freed when the last rank ends, however it ends.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "data/dataset.h"

namespace valley {

// The ranks of this host. Both functions are collective for all ranks of the job.
struct HostRanks {
  int rank = 0;  // of this process, among those of the host
  int size = 1;
  // The text of the host's first rank; those of the others are empty.
  std::function<std::string(const std::string& text)> from_first;
  std::function<void()> barrier;
};

// Collective. Each rank of the host reads a part of the images, comparing their CRC32C, with the
// calling thread's intra-op threads. Returns a data set that reads pixels from the copy, without
// comparing them again. Errors: those of Dataset::read; kOutOfMemory; kConfig for ranks of one host
// that cannot open each other's memory, as in separate containers.
[[nodiscard]] std::shared_ptr<const Dataset> cache_on_host(
    const std::shared_ptr<const Dataset>& dataset, const HostRanks& ranks);

}  // namespace valley
