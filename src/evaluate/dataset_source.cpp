#include "evaluate/dataset_source.h"

#include <ATen/ops/empty.h>

#include <span>
#include <utility>

namespace valley {

DatasetSource::DatasetSource(std::shared_ptr<const Dataset> dataset, std::uint64_t seed,
                             std::uint64_t offset)
    : dataset_(std::move(dataset)),
      order_(seed, dataset_->size(), OrderKind::kGlobal),
      offset_(offset) {}

at::Tensor DatasetSource::pixels(std::uint64_t first, std::int64_t n) const {
  at::Tensor pixels =
      at::empty({n, dataset_->height(), dataset_->width(), dataset_->channels()}, at::kByte);
  const std::span<std::uint8_t> bytes(pixels.mutable_data_ptr<std::uint8_t>(),
                                      static_cast<std::size_t>(pixels.numel()));
  const std::uint64_t size = dataset_->image_bytes();
  for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(n); ++i)
    dataset_->read(order_.image_at(offset_ + first + i), bytes.subspan(i * size, size), true);
  return pixels;
}

std::int64_t DatasetSource::label(std::uint64_t i) const {
  return dataset_->label(order_.image_at(offset_ + i));
}

}  // namespace valley
