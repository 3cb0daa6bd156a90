#include "kernels/cuda_launch.cuh"

namespace valley::kernels::cuda {
namespace {

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
  const std::int64_t blocks_a_row = philox_blocks(k.columns);
  const auto first = static_cast<std::uint64_t>(*k.position + k.offset);
  for (std::int64_t i = first_index(); i < k.rows * blocks_a_row; i += stride()) {
    const std::int64_t row = i / blocks_a_row;
    const std::int64_t column = (i % blocks_a_row) * 4;
    const PhiloxBlock block = philox(k.seed, k.stream, first + static_cast<std::uint64_t>(row),
                                     k.first_block + static_cast<std::uint32_t>(column / 4));
    for (int j = 0; j < 4 && column + j < k.columns; ++j) {
      k.out[row * k.columns + column + j] = k.low + (k.high - k.low) * uniform01(block.word[j]);
    }
  }
}

__global__ void fill_normal(FillNormal k) {
  const std::int64_t blocks_a_row = philox_blocks(k.columns);
  const auto first = static_cast<std::uint64_t>(*k.position + k.offset);
  const std::uint32_t first_block = first_block_of(k);
  for (std::int64_t i = first_index(); i < k.rows * blocks_a_row; i += stride()) {
    const std::int64_t row = i / blocks_a_row;
    const std::int64_t column = (i % blocks_a_row) * 4;
    const PhiloxBlock block = philox(k.seed, k.stream, first + static_cast<std::uint64_t>(row),
                                     first_block + static_cast<std::uint32_t>(column / 4));
    const NormalPair a = normal01(block.word[0], block.word[1]);
    const NormalPair b = normal01(block.word[2], block.word[3]);
    const float values[4] = {a.first, a.second, b.first, b.second};
    for (int j = 0; j < 4 && column + j < k.columns; ++j)
      k.out[row * k.columns + column + j] = k.deviation * values[j];
  }
}

__global__ void shift_and_cut(ShiftAndCut k) {
  const std::int64_t image = k.height * k.width;
  for (std::int64_t i = first_index(); i < k.batch * image; i += stride()) {
    const std::int64_t b = i / image;
    const std::int64_t pixel = i % image;
    const std::int64_t from =
        source_pixel(k, k.windows + b * kWindowSize, pixel / k.width, pixel % k.width);
    const float* in = k.in + (b * image + from) * k.channels;
    for (std::int64_t c = 0; c < k.channels; ++c)
      k.out[i * k.channels + c] = from < 0 ? k.fill : in[c];
  }
}

}  // namespace

void run(const ImagesFromBytes& k) {
  launch(images_from_bytes, k, k.batch * k.height * k.width * k.channels);
}
void run(const FillUniform& k) { launch(fill_uniform, k, k.rows * philox_blocks(k.columns)); }
void run(const FillNormal& k) { launch(fill_normal, k, k.rows * philox_blocks(k.columns)); }
void run(const ShiftAndCut& k) { launch(shift_and_cut, k, k.batch * k.height * k.width); }

}  // namespace valley::kernels::cuda
