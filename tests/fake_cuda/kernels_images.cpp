#include "kernels/cuda_kernels.cu"
#include "register_kernel.h"

namespace valley::kernels::cuda {
namespace {
REGISTER_KERNEL(images_from_bytes)
REGISTER_KERNEL(fill_uniform)
REGISTER_KERNEL(fill_normal)
REGISTER_KERNEL(shift_and_cut)
}  // namespace
}  // namespace valley::kernels::cuda
