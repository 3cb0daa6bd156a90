// The GPUs that this build has kernels for. CUDA builds alone; free of LibTorch's headers for nvcc.
#pragma once

#include <string>

namespace valley {

// False when the calling thread's current GPU cannot run kernels of this build.
[[nodiscard]] bool has_kernels_for_current_gpu();

// "80 90 100": compute capabilities times ten, as CMAKE_CUDA_ARCHITECTURES has them. Newer GPUs
// compile the kernels of the newest one when they are first used.
[[nodiscard]] std::string kernel_architectures();

}  // namespace valley
