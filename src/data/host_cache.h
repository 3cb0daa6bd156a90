// One copy of a data set's pixels per host, in memory that its ranks share.
//
// The memory is anonymous: the first rank of the host has a descriptor of it, which the others
// open. It is freed when the last rank ends, also by a kill.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "data/dataset.h"

namespace valley {

// The ranks of this host. Both functions are collective for all ranks of the job.
struct HostRanks {
  int rank = 0;  // number of this process on its host
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
