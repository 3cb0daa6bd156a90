// Tensors of all ranks.
#pragma once

#include "comm/communicator.h"

namespace valley {

// [size, ...own.shape]: row r is that of rank r. `own` is contiguous, on the communicator's device,
// and of one shape and type on all ranks. Collective; ready for work that is queued afterwards.
[[nodiscard]] at::Tensor gather_from_ranks(Communicator& communicator, const at::Tensor& own);

}  // namespace valley
