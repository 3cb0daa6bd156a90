// Facts for gpu_rules.h, from the kernel and in builds with CUDA from its runtime.
#pragma once

#include "doctor/gpu_rules.h"

namespace valley::doctor {

// Adds driver, GPUs and links from the CUDA runtime. Creates a context on each GPU, which takes
// some tenths of a second per GPU. In cuda_libraries.cpp or no_cuda.cpp.
void add_cuda_facts(GpuFacts& facts);
[[nodiscard]] GpuBuild gpu_build();

}  // namespace valley::doctor
