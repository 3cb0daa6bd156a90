// What --device and train.device say.
#pragma once

#include <CLI/App.hpp>
#include <CLI/Validators.hpp>
#include <string>
#include <string_view>

#include "comm/world.h"

namespace valley::app {

// Of "cpu", "cuda" or "auto", which the option or the schema has checked.
[[nodiscard]] inline DeviceChoice device_choice(std::string_view name) {
  return name == "cpu"    ? DeviceChoice::kCpu
         : name == "cuda" ? DeviceChoice::kCuda
                          : DeviceChoice::kAuto;
}

// --device of a command; `help` says what is computed there.
inline void add_device_option(CLI::App& command, std::string& device, const std::string& help) {
  command.add_option("--device", device, help)
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}))
      ->capture_default_str();
}

}  // namespace valley::app
