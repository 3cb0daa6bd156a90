#include "kernels/cuda_optimizers.cu"
#include "register_kernel.h"

namespace valley::kernels::cuda {
namespace {
REGISTER_KERNEL(adam)
REGISTER_KERNEL(adamax)
REGISTER_KERNEL(sgd)
REGISTER_KERNEL(moving_average)
}  // namespace
}  // namespace valley::kernels::cuda
