// States of binary units drawn from probabilities, one group of units after the other.
//
// Row i of a batch draws for place.position + place.offset + i; each call goes on with numbers that
// the ones before have not used, so that the same calls in the same order draw the same states.
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
