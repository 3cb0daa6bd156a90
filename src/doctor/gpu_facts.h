// Where the facts for gpu_rules.h come from: the kernel, and in builds with CUDA its runtime.
#pragma once

#include "doctor/gpu_rules.h"

namespace valley::doctor {

// What the CUDA runtime sees: driver, GPUs, their links. Makes a context on each GPU, which takes
// some tenths of a second each. cuda_libraries.cpp or no_cuda.cpp.
void add_cuda_facts(GpuFacts& facts);
[[nodiscard]] GpuBuild gpu_build();

}  // namespace valley::doctor
