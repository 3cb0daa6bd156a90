// The module of CUDA builds, libvalley_gpu.so (src/gpu): everything that needs LibTorch's CUDA
// half, cuDNN or NCCL. A process maps these 1.5 GB, a third of a second, when it uses a GPU; a run
// on CPUs and a command such as `valley train --keys` never do.
#pragma once

#include <ATen/core/Tensor.h>

#include <chrono>
#include <memory>

namespace valley {

class Communicator;  // comm/communicator.h
class WorkGraph;     // kernels/work_graph.h

struct GpuFunctions {
  std::unique_ptr<WorkGraph> (*make_cuda_graph)(at::Device device);
  // Collective over `host`, which carries the bootstrap; `device` is this rank's GPU.
  std::unique_ptr<Communicator> (*make_nccl_communicator)(Communicator& host, at::Device device,
                                                          std::chrono::seconds timeout);
  int (*nccl_version)();  // the loaded NCCL: 22809 is 2.28.9; 0 when it does not answer
};

// Loads the module at the first call, which must come before LibTorch is asked for CUDA: it
// remembers an answer that there is none. Error (kMissingInput) with the loader's reason when the
// module or one of its libraries cannot be loaded.
const GpuFunctions& gpu_functions();

}  // namespace valley

// The one function that the module exports.
extern "C" const valley::GpuFunctions* valley_gpu_functions();
