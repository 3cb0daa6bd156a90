// What a device has and how its arithmetic is set, the same calls for CPUs and GPUs.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

namespace valley {

struct DeviceMemory {
  std::int64_t total = 0;  // bytes: of the GPU, or of the machine
  std::int64_t free = 0;   // bytes available now
  std::int64_t peak = 0;   // bytes that this process had allocated at most (on the CPU: resident)
};
[[nodiscard]] DeviceMemory device_memory(at::Device device);

// Blocks the host until all work queued on the device has finished. Nothing on CPUs.
void synchronize(at::Device device);

enum class Precision { kFp32, kTf32 };

// Process-wide settings of LibTorch: matrix precision; with `reproducible`, deterministic
// algorithms only and no autotuning.
struct Arithmetic {
  Precision precision = Precision::kFp32;
  bool reproducible = false;
  int threads = 1;  // intra-op threads of this process
};
// Returns the intra-op threads that are granted; warns, with the reason, where those are fewer.
int set_arithmetic(const Arithmetic& arithmetic);

// OMP_NUM_THREADS where it is set; else the CPUs that this process may run on: its binding, or the
// machine's cores shared out among the host's ranks.
[[nodiscard]] int threads_for_rank(int local_size);

// CPUs that this process may run on and that `threads` threads on each of the host's ranks leave
// idle: of its own binding, or of the machine where nothing is bound.
[[nodiscard]] int spare_cores(int local_size, int threads);

// "LibTorch 2.11.0, CUDA 13.0, ..." as built and as loaded.
[[nodiscard]] std::string device_versions();

// True when there is a GPU that this process can use. Then CUDA tensors can be made
// afterwards: LibTorch's CUDA half is loaded.
[[nodiscard]] bool has_cuda_device();

// The CUDA side of the above; cuda_device.cpp or no_cuda.cpp.
[[nodiscard]] DeviceMemory cuda_memory(at::Device device);
void cuda_synchronize();
[[nodiscard]] std::string cuda_versions();

}  // namespace valley
