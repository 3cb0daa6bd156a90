// Builds without CUDA, where the kernel is the only source of facts about GPUs.
#include "doctor/checks.h"
#include "doctor/gpu_facts.h"

namespace valley::doctor {

void check_cuda_libraries(const Notes& /*notes*/) {}

bool load_cuda_libraries(const Notes& notes) {
  notes.ok("CUDA, NCCL", "not in this build: GPUs are not used");
  return false;
}

void add_cuda_facts(GpuFacts& /*facts*/) {}

GpuBuild gpu_build() { return {}; }

}  // namespace valley::doctor
