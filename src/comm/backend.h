// Backends of this build: CMake compiles either backend_cuda.cpp or backend_cpu.cpp.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "comm/communicator.h"

namespace valley {

[[nodiscard]] bool built_with_cuda();

// Identifiers of the GPUs that are visible to this process, by index; equal identifiers on a host
// are the same GPU. Empty without GPUs, without a driver and in builds without CUDA.
[[nodiscard]] std::vector<std::string> visible_gpus();

// Reason, as a clause, why this process cannot use the GPUs of the host; "" if it can, and on hosts
// without GPUs.
[[nodiscard]] std::string gpu_obstacle();

[[nodiscard]] std::string gpu_name(int index);  // "NVIDIA H200"

// Makes the GPU the calling thread's current device. Error (kConfig) if this build has no kernels
// for it.
void use_gpu(int index);

// NCCL over the ranks of `host`, on the calling thread's current GPU, which is `index`. Collective.
[[nodiscard]] std::unique_ptr<Communicator> make_gpu_communicator(Communicator& host, int index,
                                                                  std::chrono::seconds timeout);

// "NCCL 2.28.9": the loaded version (loads NCCL), and the version at compile time.
[[nodiscard]] std::string gpu_collectives();
[[nodiscard]] std::string built_gpu_collectives();

}  // namespace valley
