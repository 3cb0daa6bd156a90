#include "kernels/gpu_module.h"

#include <nccl.h>

#include <chrono>

#include "gpu/cuda_graph.h"
#include "gpu/nccl_communicator.h"

namespace {

int nccl_version() {
  int version = 0;
  return ncclGetVersion(&version) == ncclSuccess ? version : 0;
}

std::unique_ptr<valley::Communicator> make_communicator(valley::Communicator& host,
                                                        at::Device device,
                                                        std::chrono::seconds timeout) {
  return valley::make_nccl_communicator(host, device, timeout);
}

constexpr valley::GpuFunctions kFunctions{&valley::record_cuda_graph, &make_communicator,
                                          &nccl_version};

}  // namespace

extern "C" __attribute__((visibility("default"))) const valley::GpuFunctions*
valley_gpu_functions() {
  return &kFunctions;
}
