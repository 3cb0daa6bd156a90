#include "kernels/cuda_launch.cuh"
#include "kernels/cuda_sum.cuh"
#include "kernels/loss_launch.h"
#include "kernels/sum_slices.h"

namespace valley::kernels::cuda {
namespace {

// blockIdx.x is the slice. Reads packs if both pointers are aligned.
template <int kWidth>
__global__ void sum_of_slice(L1Mean k) {
  using Packed = Pack<float, kWidth>;
  const auto* a = reinterpret_cast<const Packed*>(k.a);
  const auto* b = reinterpret_cast<const Packed*>(k.b);
  const std::int64_t packs = k.n / kWidth;
  const std::int64_t end = slice_begin(packs, gridDim.x, blockIdx.x + 1);
  float sum = 0;
#pragma unroll 4
  for (std::int64_t i = slice_begin(packs, gridDim.x, blockIdx.x) + threadIdx.x; i < end;
       i += kThreads) {
    const Packed first = a[i];
    const Packed second = b[i];
    for (int j = 0; j < kWidth; ++j) sum += fabsf(first.at[j] - second.at[j]);
  }
  const double of_block = sum_of_block(sum);
  if (threadIdx.x == 0) k.partial[blockIdx.x] = of_block;
}

__global__ void mean_of_slices(L1Mean k, std::int64_t slices) {
  double sum = 0;
  for (std::int64_t s = threadIdx.x; s < slices; s += kThreads) sum += k.partial[s];
  sum = sum_of_block(sum);
  if (threadIdx.x == 0) *k.mean = static_cast<float>(sum / static_cast<double>(k.n));
}

template <int kWidth>
__global__ void gradients(L1Gradients k) {
  using Packed = Pack<float, kWidth>;
  const auto* a = reinterpret_cast<const Packed*>(k.a);
  const auto* b = reinterpret_cast<const Packed*>(k.b);
  const float step = *k.upstream / static_cast<float>(k.n);
  for (std::int64_t i = first_index(); i < k.n / kWidth; i += stride()) {
    const Packed first = a[i];
    const Packed second = b[i];
    Packed to_a, to_b;
    for (int j = 0; j < kWidth; ++j) {
      to_a.at[j] = signed_step(first.at[j], second.at[j], step);
      to_b.at[j] = -to_a.at[j];
    }
    if (k.a_gradient != nullptr) reinterpret_cast<Packed*>(k.a_gradient)[i] = to_a;
    if (k.b_gradient != nullptr) reinterpret_cast<Packed*>(k.b_gradient)[i] = to_b;
  }
}

__global__ void began(BeganController k) {
  if (first_index() == 0) began_control(k);
}

template <int kWidth>
void mean(const L1Mean& k) {
  const std::int64_t slices = slices_of_sum(k.n);
  start(sum_of_slice<kWidth>, static_cast<unsigned>(slices), kThreads, k);
  start(mean_of_slices, 1, kThreads, k, slices);
}

}  // namespace

void run(const L1Mean& k) {
  k.n % 4 == 0 && is_aligned(k.a) && is_aligned(k.b) ? mean<4>(k) : mean<1>(k);
}

void run(const L1Gradients& k) {
  const bool whole = k.n % 4 == 0 && is_aligned(k.a) && is_aligned(k.b) &&
                     is_aligned(k.a_gradient) && is_aligned(k.b_gradient);
  whole ? launch(gradients<4>, k, k.n / 4) : launch(gradients<1>, k, k.n);
}

void run(const BeganController& k) { launch(began, k, 1); }

}  // namespace valley::kernels::cuda
