// The one place where a build's backends are chosen: CMake takes backend_cuda.cpp or
// backend_cpu.cpp.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "comm/communicator.h"

namespace valley {

[[nodiscard]] bool built_with_cuda();

// An identifier of each GPU that this process sees, in the order of their indices; equal ones on a
// host are the same GPU. Empty without GPUs, without a driver and in builds without CUDA.
[[nodiscard]] std::vector<std::string> visible_gpus();

// Why this process cannot use the GPUs that the host has, as a clause; "" where it can, and on a
// host without GPUs.
[[nodiscard]] std::string gpu_obstacle();

[[nodiscard]] std::string gpu_name(int index);  // "NVIDIA H200"

// Makes it the calling thread's current device. Error (kConfig) where this build has no kernels for
// it.
void use_gpu(int index);

// NCCL over the ranks of `host`, on the calling thread's current GPU, which is `index`. Collective.
[[nodiscard]] std::unique_ptr<Communicator> make_gpu_communicator(Communicator& host, int index,
                                                                  std::chrono::seconds timeout);

// "NCCL 2.28.9": the one that is loaded (which this loads), and the one compiled against.
[[nodiscard]] std::string gpu_collectives();
[[nodiscard]] std::string built_gpu_collectives();

}  // namespace valley
