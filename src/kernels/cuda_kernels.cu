#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>

#include <algorithm>

#include "kernels/launch.h"

namespace valley::kernels::cuda {
namespace {

constexpr int kThreads = 256;
constexpr std::int64_t kMaxBlocks = 4096;

int blocks_for(std::int64_t n) {
  return static_cast<int>(
      std::min(kMaxBlocks, std::max<std::int64_t>(1, (n + kThreads - 1) / kThreads)));
}

__device__ std::int64_t first_index() {
  return static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ std::int64_t stride() { return static_cast<std::int64_t>(gridDim.x) * blockDim.x; }

__global__ void images_from_bytes(ImagesFromBytes k) {
  const std::int64_t row = k.width * k.channels;
  const std::int64_t image = k.height * row;
  const auto first = static_cast<std::uint64_t>(*k.position + k.offset);
  for (std::int64_t i = first_index(); i < k.batch * image; i += stride()) {
    std::int64_t from = i;
    const std::int64_t b = i / image;
    if (k.mirror && is_mirrored(k.seed, first + static_cast<std::uint64_t>(b))) {
      const std::int64_t in_row = i % row;
      const std::int64_t x = in_row / k.channels;
      from = i - in_row + (k.width - 1 - x) * k.channels + in_row % k.channels;
    }
    k.out[i] = pixel_value(k.bytes[from]);
  }
}

__global__ void fill_uniform(FillUniform k) {
  const std::int64_t blocks_a_row = (k.columns + 3) / 4;
  const auto first = static_cast<std::uint64_t>(*k.position + k.offset);
  for (std::int64_t i = first_index(); i < k.rows * blocks_a_row; i += stride()) {
    const std::int64_t row = i / blocks_a_row;
    const std::int64_t column = (i % blocks_a_row) * 4;
    const PhiloxBlock block = philox(k.seed, k.stream, first + static_cast<std::uint64_t>(row),
                                     static_cast<std::uint32_t>(column / 4));
    for (int j = 0; j < 4 && column + j < k.columns; ++j) {
      k.out[row * k.columns + column + j] = k.low + (k.high - k.low) * uniform01(block.word[j]);
    }
  }
}

__global__ void fill_normal(FillNormal k) {
  const std::int64_t blocks_a_row = (k.columns + 3) / 4;
  const auto first = static_cast<std::uint64_t>(*k.position + k.offset);
  for (std::int64_t i = first_index(); i < k.rows * blocks_a_row; i += stride()) {
    const std::int64_t row = i / blocks_a_row;
    const std::int64_t column = (i % blocks_a_row) * 4;
    const PhiloxBlock block = philox(k.seed, k.stream, first + static_cast<std::uint64_t>(row),
                                     k.first_block + static_cast<std::uint32_t>(column / 4));
    const NormalPair a = normal01(block.word[0], block.word[1]);
    const NormalPair b = normal01(block.word[2], block.word[3]);
    const float values[4] = {a.first, a.second, b.first, b.second};
    for (int j = 0; j < 4 && column + j < k.columns; ++j)
      k.out[row * k.columns + column + j] = k.deviation * values[j];
  }
}

__global__ void adam(Adam k) {
  if (*k.skip != 0) return;
  __shared__ AdamFactors factors;
  if (threadIdx.x == 0) {
    const auto t = static_cast<double>(*k.updates);
    factors.step = static_cast<float>(*k.rate / (1.0 - pow(k.beta1, t)));
    factors.second_scale = static_cast<float>(1.0 / sqrt(1.0 - pow(k.beta2, t)));
  }
  __syncthreads();
  const auto beta1 = static_cast<float>(k.beta1);
  const auto beta2 = static_cast<float>(k.beta2);
  const auto rest1 = static_cast<float>(1.0 - k.beta1);
  const auto rest2 = static_cast<float>(1.0 - k.beta2);
  const auto epsilon = static_cast<float>(k.epsilon);
  for (std::int64_t i = first_index(); i < k.n; i += stride()) {
    const float g = k.gradient[i];
    const float m = beta1 * k.first[i] + rest1 * g;
    const float v = beta2 * k.second[i] + rest2 * g * g;
    k.first[i] = m;
    k.second[i] = v;
    k.value[i] -= factors.step * m / (sqrtf(v) * factors.second_scale + epsilon);
  }
}

__global__ void moving_average(MovingAverage k) {
  if (*k.skip != 0) return;
  for (std::int64_t i = first_index(); i < k.n; i += stride())
    k.average[i] += k.weight * (k.value[i] - k.average[i]);
}

template <typename Kernel>
void launch(void (*kernel)(Kernel), const Kernel& k, std::int64_t work) {
  if (work == 0) return;
  kernel<<<blocks_for(work), kThreads, 0, c10::cuda::getCurrentCUDAStream()>>>(k);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
}

}  // namespace

void run(const ImagesFromBytes& k) {
  launch(images_from_bytes, k, k.batch * k.height * k.width * k.channels);
}
void run(const FillUniform& k) { launch(fill_uniform, k, k.rows * ((k.columns + 3) / 4)); }
void run(const FillNormal& k) { launch(fill_normal, k, k.rows * ((k.columns + 3) / 4)); }
void run(const Adam& k) { launch(adam, k, k.n); }
void run(const MovingAverage& k) { launch(moving_average, k, k.n); }

}  // namespace valley::kernels::cuda
