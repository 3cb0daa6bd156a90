#include <ATen/Context.h>
#include <c10/cuda/CUDAFunctions.h>
#include <cuda_runtime_api.h>
#include <fmt/core.h>
#include <nccl.h>

#include "comm/backend.h"
#include "comm/cuda_check.h"
#include "comm/world.h"
#include "core/log.h"
#include "core/text.h"
#include "kernels/gpu_module.h"

namespace valley {
namespace {

cudaDeviceProp properties(int index) {
  cudaDeviceProp found{};
  CHECK_CUDA(cudaGetDeviceProperties(&found, index));
  return found;
}

}  // namespace

bool built_with_cuda() { return true; }

std::vector<std::string> visible_gpus() {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    // Without a driver the runtime reports one that is too old.
    int driver = 0;
    const bool driverless = cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0;
    if (error != cudaErrorNoDevice && !driverless) {
      log::warn("{}: no GPU can be used: {} ({})", this_rank(), cudaGetErrorString(error),
                cudaGetErrorName(error));
    }
    return {};
  }
  if (count > 0) static_cast<void>(gpu_functions());
  std::vector<std::string> found;
  for (int index = 0; index < count; ++index) {
    std::string identifier;
    for (const char byte : properties(index).uuid.bytes) {
      identifier += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    }
    found.push_back(identifier);
  }
  return found;
}

std::string gpu_name(int index) { return properties(index).name; }

void use_gpu(int index) {
  c10::cuda::set_device(static_cast<c10::DeviceIndex>(index));
  // Without it the caching allocator knows no device yet, and its statistics cannot be read.
  at::globalContext().lazyInitDevice(at::kCUDA);
}

std::unique_ptr<Communicator> make_gpu_communicator(Communicator& host, int index,
                                                    std::chrono::seconds timeout) {
  const at::Device device(at::kCUDA, static_cast<c10::DeviceIndex>(index));
  return gpu_functions().make_nccl_communicator(host, device, timeout);
}

std::string gpu_collectives() {
  return "NCCL " + nccl_version_text(gpu_functions().nccl_version());
}

std::string built_gpu_collectives() { return "NCCL " + nccl_version_text(NCCL_VERSION_CODE); }

}  // namespace valley
