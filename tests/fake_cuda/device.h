// Work for the fake CUDA device from its own operators and collectives.
#pragma once

#include <cuda_runtime_api.h>

#include <functional>

namespace valley::fake {

// Queues a task on a stream, or makes it a node of the graph that is captured there.
__attribute__((visibility("default"))) cudaError_t add_task(cudaStream_t stream,
                                                            std::function<void()> task);
__attribute__((visibility("default"))) bool is_capturing(cudaStream_t stream);

}  // namespace valley::fake
