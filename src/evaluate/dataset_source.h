// Images of a data set in place of samples: a random set of them, the same on every rank.
#pragma once

#include <memory>

#include "data/dataset.h"
#include "data/order.h"
#include "inference/sample_source.h"

namespace valley {

// Image i is that at position `offset` + i of a random order that `seed` keys, so that sources of
// one data set and seed whose ranges do not overlap have no image in common.
class DatasetSource final : public SampleSource {
 public:
  DatasetSource(std::shared_ptr<const Dataset> dataset, std::uint64_t seed, std::uint64_t offset);
  // Each image's CRC32C is compared: Error kData naming shard and row.
  [[nodiscard]] at::Tensor pixels(std::uint64_t first, std::int64_t n) const override;

 private:
  std::shared_ptr<const Dataset> dataset_;
  Order order_;
  std::uint64_t offset_;
};

}  // namespace valley
