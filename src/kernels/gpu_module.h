// Shared library of CUDA builds, libvalley_gpu.so (src/gpu): everything that needs LibTorch's CUDA
// library, cuDNN or NCCL. Loading these 1.5 GB takes a third of a second, so only processes that
// use a GPU do.
#pragma once

#include <ATen/core/Tensor.h>

#include <chrono>
#include <memory>

namespace valley {

class Communicator;  // comm/communicator.h
class WorkGraph;     // kernels/work_graph.h

struct GpuFunctions {
  std::unique_ptr<WorkGraph> (*make_cuda_graph)(at::Device device);
  // Collective over `host`, which transfers the NCCL id; `device` is this rank's GPU.
  std::unique_ptr<Communicator> (*make_nccl_communicator)(Communicator& host, at::Device device,
                                                          std::chrono::seconds timeout);
  int (*nccl_version)();  // version of the loaded NCCL: 22809 is 2.28.9; 0 if unknown
};

// Loads the module at the first call, which must precede LibTorch's first check for CUDA, whose
// result LibTorch keeps. Error (kMissingInput) with the loader's reason if the module or one of its
// libraries cannot be loaded.
const GpuFunctions& gpu_functions();

}  // namespace valley

// The only function that the module exports.
extern "C" const valley::GpuFunctions* valley_gpu_functions();
