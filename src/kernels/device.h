// Memory, settings and versions of a device: the same calls for CPUs and GPUs.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

namespace valley {

struct DeviceMemory {
  std::int64_t total = 0;  // bytes of the GPU or the host
  std::int64_t free = 0;   // available bytes
  std::int64_t peak = 0;   // maximum number of bytes allocated by this process (CPU: resident)
};
[[nodiscard]] DeviceMemory device_memory(at::Device device);

// Blocks the host until all work queued on the device has finished. No effect on CPUs.
void synchronize(at::Device device);

enum class Precision { kFp32, kTf32 };

// Process-wide settings of LibTorch. `reproducible`: deterministic algorithms only, no autotuning.
struct Arithmetic {
  Precision precision = Precision::kFp32;
  bool reproducible = false;
  int threads = 1;  // intra-op threads of this process
};
// Returns the number of intra-op threads that the system grants; warns if it is smaller than asked.
int set_arithmetic(const Arithmetic& arithmetic);

// OMP_NUM_THREADS if it is set; else the CPUs that this process is bound to; else the host's CPUs
// divided by its ranks.
[[nodiscard]] int threads_for_rank(int local_size);

// CPUs that stay idle with `threads` threads per rank: of those that this process is bound to, or
// of the host where processes are not bound.
[[nodiscard]] int spare_cores(int local_size, int threads);

// "LibTorch 2.11.0, CUDA 13.0, ...": versions at build time and loaded ones.
[[nodiscard]] std::string device_versions();

// True if this process can use a GPU. Loads LibTorch's CUDA library in that case, so that CUDA
// tensors can be created.
[[nodiscard]] bool has_cuda_device();

// CUDA implementations of the above; cuda_device.cpp or no_cuda.cpp.
[[nodiscard]] DeviceMemory cuda_memory(at::Device device);
void cuda_synchronize();
[[nodiscard]] std::string cuda_versions();

}  // namespace valley
