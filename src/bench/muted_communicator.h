// A communicator whose reductions do nothing, to measure the exposed time of reductions: the
// difference in the time of a step.
#pragma once

#include <memory>

#include "comm/communicator.h"

namespace valley {

// `real` provides ranks and sizes, and must outlive the result. Reductions and broadcasts do not
// change tensors.
[[nodiscard]] std::unique_ptr<Communicator> make_muted_communicator(Communicator& real);

}  // namespace valley
