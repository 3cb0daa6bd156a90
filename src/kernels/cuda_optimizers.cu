#include "kernels/cuda_launch.cuh"
#include "kernels/cuda_sum.cuh"
#include "kernels/sum_slices.h"

namespace valley::kernels::cuda {
namespace {

// Stores the new value of element i, its bf16 copy and the cleared gradient.
__device__ void finish(const FlatUpdate& k, std::int64_t i, float value) {
  k.value[i] = value;
  if (k.shadow != nullptr) k.shadow[i] = bfloat16_bits(value);
  if (k.clear_gradient) k.gradient[i] = 0;
}

// True if the update is to be skipped.
__device__ bool skips(const FlatUpdate& k) {
  if (*k.skip == 0) return false;
  if (k.clear_gradient) {
    for (std::int64_t i = first_index(); i < k.n; i += stride()) k.gradient[i] = 0;
  }
  return true;
}

__global__ void adam(Adam k) {
  if (skips(k.flat)) return;
  __shared__ AdamFactors factors;
  if (threadIdx.x == 0) factors = adam_factors(k);
  __syncthreads();
  const auto beta1 = static_cast<float>(k.beta1);
  const auto beta2 = static_cast<float>(k.beta2);
  const auto rest1 = static_cast<float>(1.0 - k.beta1);
  const auto rest2 = static_cast<float>(1.0 - k.beta2);
  const auto epsilon = static_cast<float>(k.epsilon);
  for (std::int64_t i = first_index(); i < k.flat.n; i += stride()) {
    const float g = k.flat.gradient[i];
    const float m = beta1 * k.first[i] + rest1 * g;
    const float v = beta2 * k.second[i] + rest2 * g * g;
    k.first[i] = m;
    k.second[i] = v;
    finish(k.flat, i,
           k.flat.value[i] - factors.step * m / (sqrtf(v) * factors.second_scale + epsilon));
  }
}

__global__ void adamax(Adamax k) {
  if (skips(k.flat)) return;
  __shared__ AdamaxFactors factors;
  if (threadIdx.x == 0) factors = adamax_factors(k);
  __syncthreads();
  const auto beta1 = static_cast<float>(k.beta1);
  const auto beta2 = static_cast<float>(k.beta2);
  const auto rest1 = static_cast<float>(1.0 - k.beta1);
  for (std::int64_t i = first_index(); i < k.flat.n; i += stride()) {
    const float g = k.flat.gradient[i];
    const float m = beta1 * k.first[i] + rest1 * g;
    const float u =
        fmaxf(beta2 * k.second[i] + factors.norm_epsilon, fabsf(g) + factors.gradient_epsilon);
    k.first[i] = m;
    k.second[i] = u;
    finish(k.flat, i, k.flat.value[i] - factors.step * m / u);
  }
}

__global__ void sgd(Sgd k) {
  if (skips(k.flat)) return;
  const auto rate = static_cast<float>(*k.flat.rate);
  const auto momentum = static_cast<float>(k.momentum);
  for (std::int64_t i = first_index(); i < k.flat.n; i += stride()) {
    float m = k.flat.gradient[i];
    if (k.velocity != nullptr) {
      m += momentum * k.velocity[i];
      k.velocity[i] = m;
    }
    finish(k.flat, i, k.flat.value[i] - rate * m);
  }
}

// blockIdx.x is the slice.
__global__ void squares_of_slice(ClipByNorm k) {
  const std::int64_t end = slice_begin(k.n, gridDim.x, blockIdx.x + 1);
  double sum = 0;
  for (std::int64_t i = slice_begin(k.n, gridDim.x, blockIdx.x) + threadIdx.x; i < end;
       i += kThreads) {
    const auto g = static_cast<double>(k.gradient[i]);
    sum += g * g;
  }
  sum = sum_of_block(sum);
  if (threadIdx.x == 0) k.partial[blockIdx.x] = sum;
}

__global__ void norm_of_slices(ClipByNorm k, std::int64_t slices) {
  double sum = 0;
  for (std::int64_t s = threadIdx.x; s < slices; s += kThreads) sum += k.partial[s];
  sum = sum_of_block(sum);
  if (threadIdx.x == 0) *k.norm = static_cast<float>(sqrt(sum));
}

__global__ void clip(ClipByNorm k) {
  const float factor = clip_factor(k);
  if (factor == 1.0F) return;
  for (std::int64_t i = first_index(); i < k.n; i += stride()) k.gradient[i] *= factor;
}

__global__ void decay(DecayWeights k) {
  if (*k.skip != 0) return;
  const auto factor = static_cast<float>(1.0 - *k.rate * k.decay);
  for (std::int64_t i = first_index(); i < k.n; i += stride())
    if (k.chosen[i / k.block] != 0) k.value[i] *= factor;
}

__global__ void moving_average(MovingAverage k) {
  if (*k.skip != 0) return;
  for (std::int64_t i = first_index(); i < k.n; i += stride())
    k.average[i] += k.weight * (k.value[i] - k.average[i]);
}

}  // namespace

void run(const Adam& k) { launch(adam, k, k.flat.n); }
void run(const Adamax& k) { launch(adamax, k, k.flat.n); }
void run(const Sgd& k) { launch(sgd, k, k.flat.n); }
void run(const ClipByNorm& k) {
  const std::int64_t slices = slices_of_sum(k.n);
  start(squares_of_slice, static_cast<unsigned>(slices), kThreads, k);
  start(norm_of_slices, 1, kThreads, k, slices);
  launch(clip, k, k.n);
}
void run(const DecayWeights& k) { launch(decay, k, k.n); }
void run(const MovingAverage& k) { launch(moving_average, k, k.n); }

}  // namespace valley::kernels::cuda
