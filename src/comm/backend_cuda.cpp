#include <ATen/Context.h>
#include <c10/cuda/CUDAFunctions.h>
#include <cuda_runtime_api.h>
#include <fmt/core.h>
#include <nccl.h>

#include "comm/backend.h"
#include "comm/cuda_check.h"
#include "comm/host_gpus.h"
#include "comm/world.h"
#include "core/error.h"
#include "core/text.h"
#include "kernels/gpu_module.h"
#include "kernels/gpu_probe.h"

namespace valley {
namespace {

cudaDeviceProp properties(int index) {
  cudaDeviceProp found{};
  CHECK_CUDA(cudaGetDeviceProperties(&found, index));
  return found;
}

cudaError_t count_gpus(int& count) {
  const cudaError_t error = cudaGetDeviceCount(&count);
  static_cast<void>(cudaGetLastError());
  return error;
}

}  // namespace

bool built_with_cuda() { return true; }

std::string gpu_obstacle() {
  int count = 0;
  const cudaError_t error = count_gpus(count);
  if (error == cudaSuccess || error == cudaErrorNoDevice) return "";
  // Without a driver the runtime reports that the driver is too old.
  int driver = 0;
  if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0) {
    return host_offers_gpus()
               ? "no NVIDIA driver (libcuda.so.1) can be loaded: install it, and start a "
                 "container with --gpus all"
               : "";
  }
  if (error == cudaErrorInsufficientDriver) {
    return fmt::format(
        "its NVIDIA driver is for CUDA {}, and this valley needs one for CUDA {}: update the "
        "driver",
        cuda_version_text(driver), cuda_version_text(CUDART_VERSION));
  }
  return fmt::format("{} ({})", cudaGetErrorString(error), cudaGetErrorName(error));
}

std::vector<std::string> visible_gpus() {
  int count = 0;
  if (count_gpus(count) != cudaSuccess) return {};
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
  if (!has_kernels_for_current_gpu()) {
    const cudaDeviceProp gpu = properties(index);
    throw Error(
        ExitCode::kConfig,
        "{}: {} has compute capability {}.{}, but this valley has kernels for {} only; build "
        "it with CMAKE_ARGS=-DCMAKE_CUDA_ARCHITECTURES={}{} (LibTorch needs 75 or more), or "
        "set train.device=cpu",
        this_rank(), gpu.name, gpu.major, gpu.minor, kernel_architectures(), gpu.major, gpu.minor);
  }
  // Initializes the caching allocator, whose statistics cannot be read before.
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
