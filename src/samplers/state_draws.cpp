#include "samplers/state_draws.h"

#include <ATen/ops/empty.h>

#include "kernels/kernels.h"

namespace valley {

at::Tensor StateDraws::draw(const at::Tensor& probabilities) {
  constexpr std::int64_t kPerBlock = 4;
  const at::Tensor numbers =
      at::empty(probabilities.sizes(), probabilities.options(), at::MemoryFormat::Contiguous);
  kernels::fill_uniform(numbers, {place_.seed, place_.stream, 0.0F, 1.0F, next_block_},
                        place_.position, place_.offset);
  next_block_ += static_cast<std::uint32_t>((numbers.size(1) + kPerBlock - 1) / kPerBlock);
  return numbers.lt_(probabilities);
}

}  // namespace valley
