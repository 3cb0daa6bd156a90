// Random images of a data set as a SampleSource, the same on every rank.
#pragma once

#include <memory>

#include "data/dataset.h"
#include "data/order.h"
#include "inference/sample_source.h"

namespace valley {

// Image i is at position `offset` + i of the random order given by `seed`. Sources of one data set
// and seed with disjoint ranges have no image in common.
class DatasetSource final : public SampleSource {
 public:
  DatasetSource(std::shared_ptr<const Dataset> dataset, std::uint64_t seed, std::uint64_t offset);
  // Verifies the CRC32C of each image: error kData naming shard and row.
  [[nodiscard]] at::Tensor pixels(std::uint64_t first, std::int64_t n) const override;
  [[nodiscard]] std::int64_t label(std::uint64_t i) const override;

 private:
  std::shared_ptr<const Dataset> dataset_;
  Order order_;
  std::uint64_t offset_;
};

}  // namespace valley
