#include "kernels/cuda_losses.cu"
#include "register_kernel.h"

namespace valley::kernels::cuda {
namespace {
REGISTER_KERNEL(sum_of_slice<1>)
REGISTER_KERNEL(sum_of_slice<4>)
REGISTER_KERNEL(mean_of_slices)
REGISTER_KERNEL(gradients<1>)
REGISTER_KERNEL(gradients<4>)
REGISTER_KERNEL(began)
}  // namespace
}  // namespace valley::kernels::cuda
