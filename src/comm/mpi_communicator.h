// CPU tensors over MPI. Every call has finished when it returns. Large tensors go in chunks: they
// stay in the cache between a chunk's receive and its addition, and no count exceeds an int.
#pragma once

#include <cstdint>
#include <memory>

#include "comm/communicator.h"

namespace valley {

// Measured over shared memory, two ranks, Open MPI 4.1.4, chunk sizes in turn: 64 MiB take 21 to
// 27 ms in chunks of 2 MiB and 45 to 68 ms in one call; between 1 and 8 MiB the least is flat, and
// up to 4 MiB nothing is gained or lost.
inline constexpr std::int64_t kMpiChunkBytes = std::int64_t{2} << 20;

// All ranks of the job. Collective; an MpiSession must be alive until it is destroyed. Has a
// context of its own: nothing else that uses MPI can be mistaken for its messages.
[[nodiscard]] std::unique_ptr<Communicator> make_mpi_communicator(
    std::int64_t chunk_bytes = kMpiChunkBytes);

}  // namespace valley
