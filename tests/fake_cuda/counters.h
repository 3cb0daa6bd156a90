// Counts of calls, of work and of bytes on the fake device, written as JSON when the process ends:
// VALLEY_FAKE_COUNTS (README.md).
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>

namespace valley::fake {

// A call of the host's, unless it is captured: "kernel".
__attribute__((visibility("default"))) void count_call(const char* what, cudaStream_t stream);
// Work that the device has done, in a graph or not.
__attribute__((visibility("default"))) void count_work(const char* what, std::size_t bytes = 0);

}  // namespace valley::fake
