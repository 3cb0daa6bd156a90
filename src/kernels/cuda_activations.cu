// Blocks are two-dimensional: x along the channels of a row, kWidth channels per thread, y along
// rows. A thread has the same channels in all its rows, so that it reads their bias once and keeps
// the sum of the bias gradient in registers.
#include "kernels/activation_launch.h"
#include "kernels/cuda_launch.cuh"

namespace valley::kernels::cuda {
namespace {

constexpr int kMaxColumns = 32;  // threads along a row
constexpr std::int64_t kMaxRowBlocks = 2048;
// Rows that a thread reads before it writes the first of them, so that enough loads are in flight.
// The compiler cannot reorder them, because input and output may alias.
constexpr int kForwardRows = 4;
constexpr int kBackwardRows = 2;

__device__ inline float number(float x) { return x; }
__device__ inline float number(Bfloat16 x) { return __bfloat162float(x); }
__device__ inline void store(float& where, float x) { where = x; }
__device__ inline void store(Bfloat16& where, float x) { where = __float2bfloat16_rn(x); }

__device__ inline std::int64_t own_column() {
  return static_cast<std::int64_t>(blockIdx.y) * blockDim.x + threadIdx.x;
}

template <typename T, typename Bias, int kWidth>
__global__ void bias_elu(BiasElu k) {
  using Packed = Pack<T, kWidth>;
  const std::int64_t columns = k.channels / kWidth;
  const std::int64_t column = own_column();
  if (column >= columns) return;
  float bias[kWidth];
  for (int i = 0; i < kWidth; ++i)
    bias[i] = number(static_cast<const Bias*>(k.bias)[column * kWidth + i]);
  auto* y = static_cast<Packed*>(k.y) + column;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.y;
  for (std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
       row < k.rows; row += kForwardRows * step) {
    Packed packs[kForwardRows];
#pragma unroll
    for (int j = 0; j < kForwardRows; ++j) {
      if (row + j * step < k.rows) packs[j] = y[(row + j * step) * columns];
    }
#pragma unroll
    for (int j = 0; j < kForwardRows; ++j) {
      if (row + j * step >= k.rows) break;
      for (int i = 0; i < kWidth; ++i) {
        const float x = number(packs[j].at[i]) + bias[i];
        store(packs[j].at[i], x > 0 ? x : expm1f(x));
      }
      y[(row + j * step) * columns] = packs[j];
    }
  }
}

// Adds the sums of all rows of threads of a block to those of the first row. The order depends only
// on the shape of the block.
template <int kWidth>
__device__ void sum_over_rows(float (&sum)[kWidth]) {
  __shared__ float shared[kThreads * kWidth];
  const unsigned row_length = blockDim.x * kWidth;
  float* own = shared + threadIdx.y * row_length + threadIdx.x * kWidth;
  for (int i = 0; i < kWidth; ++i) own[i] = sum[i];
  for (unsigned half = blockDim.y / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.y < half) {
      for (int i = 0; i < kWidth; ++i) own[i] += own[half * row_length + i];
    }
  }
  for (int i = 0; i < kWidth; ++i) sum[i] = own[i];
}

// blockIdx.x is the slice of rows.
template <typename T, int kWidth>
__global__ void elu_backward(EluBackward k) {
  using Packed = Pack<T, kWidth>;
  const std::int64_t columns = k.channels / kWidth;
  const std::int64_t column = own_column();
  const std::int64_t begin = k.rows * blockIdx.x / gridDim.x;
  // Threads beyond the last channel read no rows, but must reach the barriers of the sum.
  const std::int64_t end = column < columns ? k.rows * (blockIdx.x + 1) / gridDim.x : begin;
  const auto* grad = static_cast<const Packed*>(k.grad) + column;
  const auto* y = static_cast<const Packed*>(k.y) + column;
  auto* out = static_cast<Packed*>(k.out) + column;
  float sum[kWidth] = {};
  const std::int64_t step = blockDim.y;
  for (std::int64_t row = begin + threadIdx.y; row < end; row += kBackwardRows * step) {
    Packed packs[kBackwardRows];
    Packed returned[kBackwardRows];
#pragma unroll
    for (int j = 0; j < kBackwardRows; ++j) {
      if (row + j * step >= end) break;
      packs[j] = grad[(row + j * step) * columns];
      returned[j] = y[(row + j * step) * columns];
    }
#pragma unroll
    for (int j = 0; j < kBackwardRows; ++j) {
      if (row + j * step >= end) break;
      for (int i = 0; i < kWidth; ++i) {
        const float from = number(returned[j].at[i]);
        const float product = number(packs[j].at[i]) * (from > 0 ? 1.0F : from + 1.0F);
        sum[i] += product;
        store(packs[j].at[i], product);
      }
      out[(row + j * step) * columns] = packs[j];
    }
  }
  if (k.bias_grad == nullptr) return;
  sum_over_rows(sum);
  if (threadIdx.y != 0 || column >= columns) return;
  for (int i = 0; i < kWidth; ++i)
    k.partial[blockIdx.x * k.channels + column * kWidth + i] = sum[i];
}

// A block sums kMaxColumns channels over the slices.
__global__ void sum_slices(EluBackward k, std::int64_t slices) {
  const std::int64_t channel = own_column();
  float sum[1] = {};
  if (channel < k.channels) {
    for (std::int64_t slice = threadIdx.y; slice < slices; slice += blockDim.y)
      sum[0] += k.partial[slice * k.channels + channel];
  }
  sum_over_rows(sum);
  if (threadIdx.y == 0 && channel < k.channels) k.bias_grad[channel] = sum[0];
}

// Smallest power of two that covers a row of packs, so that few threads are idle.
dim3 block_shape(std::int64_t columns) {
  unsigned x = 1;
  while (x < kMaxColumns && x < columns) x *= 2;
  return {x, kThreads / x};
}

unsigned blocks_across(std::int64_t columns, dim3 block) {
  return static_cast<unsigned>((columns + block.x - 1) / block.x);
}

template <typename T, typename Bias, int kWidth>
void forward(const BiasElu& k) {
  const std::int64_t columns = k.channels / kWidth;
  const dim3 block = block_shape(columns);
  const std::int64_t rows_a_block = static_cast<std::int64_t>(block.y) * kForwardRows;
  const auto down = static_cast<unsigned>(
      std::min({kMaxRowBlocks, max_blocks(), (k.rows + rows_a_block - 1) / rows_a_block}));
  start(bias_elu<T, Bias, kWidth>, dim3(down, blocks_across(columns, block)), block, k);
}

template <typename T, typename Bias>
void forward(const BiasElu& k) {
  constexpr int kWide = 16 / sizeof(T);
  if (k.channels % kWide == 0 && is_aligned(k.y)) {
    forward<T, Bias, kWide>(k);
  } else {
    forward<T, Bias, 1>(k);
  }
}

template <typename T, int kWidth>
void backward(const EluBackward& k) {
  const std::int64_t columns = k.channels / kWidth;
  const dim3 block = block_shape(columns);
  const std::int64_t slices = elu_backward_slices(k.rows);
  const dim3 grid(static_cast<unsigned>(slices), blocks_across(columns, block));
  start(elu_backward<T, kWidth>, grid, block, k);
  if (k.bias_grad == nullptr) return;
  const dim3 sums(kMaxColumns, kThreads / kMaxColumns);
  start(sum_slices, dim3(1, blocks_across(k.channels, sums)), sums, k, slices);
}

template <typename T>
void backward(const EluBackward& k) {
  constexpr int kWide = 16 / sizeof(T);
  if (k.channels % kWide == 0 && is_aligned(k.grad) && is_aligned(k.y) && is_aligned(k.out)) {
    backward<T, kWide>(k);
  } else {
    backward<T, 1>(k);
  }
}

}  // namespace

void run(const BiasElu& k) {
  if (k.rows == 0) return;
  if (k.bf16) {
    k.bias_bf16 ? forward<Bfloat16, Bfloat16>(k) : forward<Bfloat16, float>(k);
  } else {
    k.bias_bf16 ? forward<float, Bfloat16>(k) : forward<float, float>(k);
  }
}

void run(const EluBackward& k) { k.bf16 ? backward<Bfloat16>(k) : backward<float>(k); }

}  // namespace valley::kernels::cuda
