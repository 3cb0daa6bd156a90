// A job of one rank, on any device: every collective leaves or copies what is there.
#pragma once

#include <memory>

#include "comm/communicator.h"

namespace valley {

[[nodiscard]] std::unique_ptr<Communicator> make_self_communicator(at::Device device);

}  // namespace valley
