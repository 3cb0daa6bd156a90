#include "samplers/state_draws.h"

#include <ATen/ops/empty.h>

#include "core/philox.h"
#include "kernels/kernels.h"

namespace valley {

at::Tensor StateDraws::draw(const at::Tensor& probabilities) {
  const at::Tensor values =
      at::empty(probabilities.sizes(), probabilities.options(), at::MemoryFormat::Contiguous);
  kernels::fill_uniform(values, {place_.seed, place_.stream, 0.0F, 1.0F, next_block_},
                        place_.position, place_.offset);
  next_block_ += static_cast<std::uint32_t>(philox_blocks(values.size(1)));
  return values.lt_(probabilities);
}

}  // namespace valley
