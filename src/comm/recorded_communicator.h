// A communicator whose calls are in the flight recorder (flight/flight_recorder.h).
#pragma once

#include <memory>

#include "comm/communicator.h"

namespace valley {

// `channel`: 0 for the host communicator of a World, 1 for that of its device. Calls that are
// queued on a device are followed there (comm/device_calls.h).
[[nodiscard]] std::unique_ptr<Communicator> record_calls(std::unique_ptr<Communicator> communicator,
                                                         int channel);

}  // namespace valley
