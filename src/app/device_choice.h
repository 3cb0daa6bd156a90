// What --device and train.device say.
#pragma once

#include <string_view>

#include "comm/world.h"

namespace valley::app {

// Of "cpu", "cuda" or "auto", which the option or the schema has checked.
[[nodiscard]] inline DeviceChoice device_choice(std::string_view name) {
  return name == "cpu"    ? DeviceChoice::kCpu
         : name == "cuda" ? DeviceChoice::kCuda
                          : DeviceChoice::kAuto;
}

}  // namespace valley::app
