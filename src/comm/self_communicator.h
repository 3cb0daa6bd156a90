// Communicator of a job of one rank, on any device: collectives copy or do nothing.
#pragma once

#include <memory>

#include "comm/communicator.h"

namespace valley {

[[nodiscard]] std::unique_ptr<Communicator> make_self_communicator(at::Device device);

}  // namespace valley
