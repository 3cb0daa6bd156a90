#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <cuda_runtime_api.h>
#include <fmt/core.h>

#include "core/text.h"
#include "kernels/device.h"
#include "kernels/gpu_module.h"
#include "kernels/work_graph.h"

namespace valley {

DeviceMemory cuda_memory(at::Device device) {
  std::size_t free = 0;
  std::size_t total = 0;
  C10_CUDA_CHECK(cudaMemGetInfo(&free, &total));
  const auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(device.index());
  constexpr auto kAll = static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  return {static_cast<std::int64_t>(total), static_cast<std::int64_t>(free),
          stats.reserved_bytes.at(kAll).peak};
}

bool has_cuda_device() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0) return false;
  static_cast<void>(gpu_functions());
  return true;
}

std::unique_ptr<WorkGraph> make_cuda_graph(at::Device device) {
  return gpu_functions().make_cuda_graph(device);
}

void cuda_synchronize() { C10_CUDA_CHECK(cudaDeviceSynchronize()); }

std::string cuda_versions() {
  int runtime = 0;
  int driver = 0;
  cudaRuntimeGetVersion(&runtime);
  if (cudaDriverGetVersion(&driver) != cudaSuccess) driver = 0;
  return fmt::format("CUDA {} (driver: {})", cuda_version_text(runtime),
                     driver == 0 ? "none" : cuda_version_text(driver));
}

}  // namespace valley
