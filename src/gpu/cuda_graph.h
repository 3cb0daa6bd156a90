// CUDA graphs through LibTorch, whose allocator has a memory pool for each.
#pragma once

#include <memory>

#include "kernels/work_graph.h"

namespace valley {

// make_cuda_graph of kernels/work_graph.h.
[[nodiscard]] std::unique_ptr<WorkGraph> record_cuda_graph(at::Device device);

}  // namespace valley
