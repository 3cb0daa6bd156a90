#include "kernels/cuda_activations.cu"
#include "register_kernel.h"

namespace valley::kernels::cuda {
namespace {
REGISTER_KERNEL(bias_elu<float, float, 1>)
REGISTER_KERNEL(bias_elu<float, float, 4>)
REGISTER_KERNEL(bias_elu<float, Bfloat16, 1>)
REGISTER_KERNEL(bias_elu<float, Bfloat16, 4>)
REGISTER_KERNEL(bias_elu<Bfloat16, float, 1>)
REGISTER_KERNEL(bias_elu<Bfloat16, float, 8>)
REGISTER_KERNEL(bias_elu<Bfloat16, Bfloat16, 1>)
REGISTER_KERNEL(bias_elu<Bfloat16, Bfloat16, 8>)
REGISTER_KERNEL(elu_backward<float, 1>)
REGISTER_KERNEL(elu_backward<float, 4>)
REGISTER_KERNEL(elu_backward<Bfloat16, 1>)
REGISTER_KERNEL(elu_backward<Bfloat16, 8>)
REGISTER_KERNEL(sum_slices)
}  // namespace
}  // namespace valley::kernels::cuda
