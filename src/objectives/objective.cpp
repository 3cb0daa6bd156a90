#include "objectives/objective.h"

#include <ATen/ops/empty.h>

#include "kernels/kernels.h"

namespace valley {

at::Tensor Microbatch::uniform(RandomStream stream, std::int64_t n) const {
  at::Tensor out = at::empty({place_.size, n}, place_.position.options().dtype(at::kFloat));
  kernels::fill_uniform(out, {place_.seed, stream, -1.0F, 1.0F}, place_.position, place_.offset);
  return out;
}

}  // namespace valley
