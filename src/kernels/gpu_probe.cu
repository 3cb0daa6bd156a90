#include <cuda_runtime_api.h>

#include "kernels/gpu_probe.h"

namespace valley {
namespace {

__global__ void probe() {}  // never launched

}  // namespace

bool has_kernels_for_current_gpu() {
  cudaFuncAttributes attributes{};
  const cudaError_t error = cudaFuncGetAttributes(&attributes, probe);
  static_cast<void>(cudaGetLastError());
  return error != cudaErrorNoKernelImageForDevice;
}

std::string kernel_architectures() { return VALLEY_CUDA_ARCHITECTURES; }

}  // namespace valley
