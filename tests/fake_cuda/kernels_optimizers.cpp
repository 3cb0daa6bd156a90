#include "kernels/cuda_optimizers.cu"
#include "register_kernel.h"

namespace valley::kernels::cuda {
namespace {
REGISTER_KERNEL(adam)
REGISTER_KERNEL(adamax)
REGISTER_KERNEL(sgd)
REGISTER_KERNEL(squares_of_slice)
REGISTER_KERNEL(norm_of_slices)
REGISTER_KERNEL(clip)
REGISTER_KERNEL(decay)
REGISTER_KERNEL(moving_average)
}  // namespace
}  // namespace valley::kernels::cuda
