#include "comm/gather.h"

#include <ATen/ops/empty.h>

#include <cstdint>
#include <vector>

namespace valley {

at::Tensor gather_from_ranks(Communicator& communicator, const at::Tensor& own) {
  std::vector<std::int64_t> shape{communicator.size()};
  shape.insert(shape.end(), own.sizes().begin(), own.sizes().end());
  const at::Tensor all = at::empty(shape, own.options());
  communicator.all_gather(own, all)->wait();
  return all;
}

}  // namespace valley
