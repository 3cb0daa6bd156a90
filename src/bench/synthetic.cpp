#include "bench/synthetic.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/remainder.h>

#include <algorithm>
#include <cstring>

#include "core/philox.h"

namespace valley {

at::Tensor synthetic_pixels(const Experiment& experiment, std::int64_t batches, std::int64_t share,
                            int rank) {
  const ModelOptions& m = experiment.model;
  at::Tensor pixels =
      at::empty({batches, share, m.resolution, m.resolution, m.channels}, at::kByte);
  auto* out = pixels.mutable_data_ptr<std::uint8_t>();
  const std::int64_t bytes = pixels.numel();
  const auto first = static_cast<std::uint64_t>(rank) << 40U;
  for (std::int64_t i = 0; i < bytes; i += static_cast<std::int64_t>(sizeof(PhiloxBlock))) {
    const PhiloxBlock block =
        philox(experiment.seed(), static_cast<std::uint32_t>(RandomStream::kSynthetic),
               first + static_cast<std::uint64_t>(i), 0);
    std::memcpy(out + i, block.word, std::min(sizeof block, static_cast<std::size_t>(bytes - i)));
  }
  return pixels;
}

at::Tensor synthetic_labels(const Experiment& experiment, std::int64_t share) {
  const std::int64_t classes = experiment.needed_labels();
  if (classes == 0) return at::full({share}, -1, at::kLong);
  return at::remainder(at::arange(share, at::kLong), classes);
}

}  // namespace valley
