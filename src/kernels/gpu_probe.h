// GPUs that this build has kernels for. CUDA builds only; without LibTorch's headers, for nvcc.
#pragma once

#include <string>

namespace valley {

// False when the calling thread's current GPU cannot run kernels of this build.
[[nodiscard]] bool has_kernels_for_current_gpu();

// "80 90 100": compute capabilities times ten, as in CMAKE_CUDA_ARCHITECTURES. For newer GPUs the
// driver compiles the kernels of the newest one at their first use.
[[nodiscard]] std::string kernel_architectures();

}  // namespace valley
