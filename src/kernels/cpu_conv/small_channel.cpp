#include <algorithm>

#include "core/error.h"
#include "kernels/cpu_conv/scratch.h"
#include "kernels/cpu_conv/small_channel_kernels.h"
#include "kernels/parallel.h"

namespace valley::kernels::cpu {

#if VALLEY_WIDE_VECTORS

namespace {

constexpr std::int64_t kGrain = 16;  // minimum rows per thread
constexpr std::int64_t kSliceRows = 32;
constexpr std::int64_t kMaxConvSlices = 16;
constexpr std::int64_t kTaps = 3;

thread_local Scratch small_channel_scratch;

const SmallChannelKernels& small_channel_kernels() {
  static const SmallChannelKernels& chosen =
      vectors() == Vectors::kAvx512 ? small_channel_avx512() : small_channel_avx2();
  return chosen;
}

std::int64_t padded(std::int64_t columns) { return (columns + kBlock - 1) / kBlock * kBlock; }

// Sliding window over the rows of a map: a row and its neighbors as floats.
class RowWindow {
 public:
  static std::int64_t floats(const SmallChannelShape& s, std::int64_t channels) {
    return kTaps * stride(s, channels);
  }

  RowWindow(const void* map, bool bf16, const SmallChannelShape& shape, std::int64_t channels,
            float* memory)
      : map_(static_cast<const char*>(map)),
        bf16_(bf16),
        shape_(shape),
        channels_(channels),
        memory_(memory) {
    std::fill_n(memory, floats(shape, channels), 0.0F);
  }

  // `row` is the index over all images. Does not read rows again that the window holds.
  void move_to(std::int64_t row, const float* (&rows)[kTaps]) {
    const std::int64_t in_image = row % shape_.rows;
    const bool follows = row == at_ + 1 && in_image != 0;
    for (std::int64_t i = follows ? kTaps - 1 : 0; i < kTaps; ++i)
      read(in_image + i - 1, row + i - 1, place(row + i));
    for (std::int64_t i = 0; i < kTaps; ++i) rows[i] = place(row + i);
    at_ = row;
  }

 private:
  // A whole number of vectors.
  static std::int64_t stride(const SmallChannelShape& s, std::int64_t channels) {
    return ((padded(s.columns) + 2) * channels + 15) / 16 * 16;
  }
  float* place(std::int64_t row) { return memory_ + row % kTaps * stride(shape_, channels_); }
  void read(std::int64_t in_image, std::int64_t row, float* to) {
    const std::int64_t n = shape_.columns * channels_;
    if (in_image < 0 || in_image >= shape_.rows) {
      std::fill_n(to + channels_, n, 0.0F);
    } else {
      small_channel_kernels().copy_floats(map_ + row * n * (bf16_ ? 2 : 4), bf16_, n,
                                          to + channels_);
    }
  }

  const char* map_;
  bool bf16_;
  const SmallChannelShape& shape_;
  std::int64_t channels_;
  float* memory_;
  std::int64_t at_ = -2;
};

char* row_of(void* map, bool bf16, const SmallChannelShape& s, std::int64_t channels,
             std::int64_t row) {
  return static_cast<char*>(map) + row * s.columns * channels * (bf16 ? 2 : 4);
}

std::int64_t weights_of(const SmallChannelShape& s) { return kTaps * kTaps * s.few * s.many; }

}  // namespace

std::int64_t small_channel_slices(const SmallChannelShape& s) {
  return std::clamp<std::int64_t>(s.batch * s.rows / kSliceRows, 1, kMaxConvSlices);
}
std::int64_t small_channel_slice_floats(const SmallChannelShape& s) {
  return weights_of(s) + kSumLanes;
}

void run(const SmallInputConv& k) {
  const SmallChannelShape& s = k.shape;
  parallel_for(0, s.batch * s.rows, kGrain, [&](std::int64_t begin, std::int64_t end) {
    RowWindow window(
        k.x, k.bf16, s, s.few,
        small_channel_scratch.get(static_cast<std::size_t>(RowWindow::floats(s, s.few))));
    const float* rows[kTaps];
    for (std::int64_t row = begin; row < end; ++row) {
      window.move_to(row, rows);
      small_channel_kernels().widen_row(k, rows, row_of(k.y, k.bf16, s, s.many, row));
    }
  });
}

void run(const SmallOutputConv& k) {
  const SmallChannelShape& s = k.shape;
  parallel_for(0, s.batch * s.rows, kGrain, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t read = RowWindow::floats(s, s.many);
    float* memory =
        small_channel_scratch.get(static_cast<std::size_t>(read + padded(s.columns) * s.few));
    RowWindow window(k.x, k.bf16, s, s.many, memory);
    const float* rows[kTaps];
    for (std::int64_t row = begin; row < end; ++row) {
      window.move_to(row, rows);
      small_channel_kernels().narrow_row(k, rows, memory + read);
      small_channel_kernels().store_narrow_row(memory + read, k.bias, s.few, s.columns * s.few,
                                               k.bf16, row_of(k.y, k.bf16, s, s.few, row));
    }
  });
}

void run(const SmallOutputTransposedConv& k) {
  const SmallChannelShape& s = k.shape;
  const std::int64_t wide = 2 * s.columns * s.few;  // elements of a row of y
  parallel_for(0, s.batch * s.rows, kGrain, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t read = RowWindow::floats(s, s.many);
    float* memory =
        small_channel_scratch.get(static_cast<std::size_t>(read + 2 * padded(s.columns) * s.few));
    RowWindow window(k.x, k.bf16, s, s.many, memory);
    const float* rows[kTaps];
    for (std::int64_t row = begin; row < end; ++row) {
      window.move_to(row, rows);
      for (const bool odd : {false, true}) {
        small_channel_kernels().narrow_transposed_row(k, rows, odd, memory + read);
        const std::int64_t at = (2 * row + (odd ? 1 : 0)) * wide;
        small_channel_kernels().store_narrow_row(memory + read, k.bias, s.few, wide, k.bf16,
                                                 static_cast<char*>(k.y) + at * (k.bf16 ? 2 : 4));
      }
    }
  });
}

void run(const SmallChannelWeightGradient& k) {
  const SmallChannelShape& s = k.shape;
  const std::int64_t slices = small_channel_slices(s);
  const std::int64_t size = small_channel_slice_floats(s);
  parallel_for(0, slices, 1, [&](std::int64_t begin, std::int64_t end) {
    RowWindow window(
        k.few, k.bf16, s, s.few,
        small_channel_scratch.get(static_cast<std::size_t>(RowWindow::floats(s, s.few))));
    const float* rows[kTaps];
    const auto* many = static_cast<const char*>(k.many);
    const std::int64_t row_bytes = s.columns * s.many * (k.bf16 ? 2 : 4);
    for (std::int64_t slice = begin; slice < end; ++slice) {
      float* sums = k.slices + slice * size;
      std::fill_n(sums, size, 0.0F);
      const std::int64_t last = s.batch * s.rows * (slice + 1) / slices;
      for (std::int64_t row = s.batch * s.rows * slice / slices; row < last; ++row) {
        window.move_to(row, rows);
        small_channel_kernels().add_row(k, rows, many + row * row_bytes, sums);
        if (k.sums != nullptr)
          small_channel_kernels().add_lanes(rows[1] + s.few, s.columns * s.few,
                                            sums + weights_of(s));
      }
    }
  });
  for (std::int64_t slice = 1; slice < slices; ++slice)
    small_channel_kernels().add_floats(k.slices, k.slices + slice * size, size);
  std::copy_n(k.slices, weights_of(s), k.weights);
  if (k.sums == nullptr) return;
  std::fill_n(k.sums, s.few, 0.0F);
  for (std::int64_t i = 0; i < kSumLanes; ++i) k.sums[i % s.few] += k.slices[weights_of(s) + i];
}

#else

std::int64_t small_channel_slices(const SmallChannelShape& /*shape*/) { return 1; }
std::int64_t small_channel_slice_floats(const SmallChannelShape& /*shape*/) { return 0; }
void run(const SmallInputConv& /*k*/) { VALLEY_CHECK(!"no AVX2"); }
void run(const SmallOutputConv& /*k*/) { VALLEY_CHECK(!"no AVX2"); }
void run(const SmallOutputTransposedConv& /*k*/) { VALLEY_CHECK(!"no AVX2"); }
void run(const SmallChannelWeightGradient& /*k*/) { VALLEY_CHECK(!"no AVX2"); }

#endif

}  // namespace valley::kernels::cpu
