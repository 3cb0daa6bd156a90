// Draws states of binary units from probabilities, one group of units at a time.
//
// Row i of a batch draws at place.position + place.offset + i. Each call uses the next Philox
// blocks, so that the same sequence of calls draws the same states.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "samplers/langevin.h"

namespace valley {

class StateDraws {
 public:
  explicit StateDraws(const ChainPlace& place) : place_(place) {}

  // float [B, units], 0 or 1, from probabilities [B, units].
  [[nodiscard]] at::Tensor draw(const at::Tensor& probabilities);

 private:
  ChainPlace place_;
  std::uint32_t next_block_ = 0;
};

}  // namespace valley
