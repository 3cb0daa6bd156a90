// `valley doctor`.
#pragma once

#include <CLI/App.hpp>

namespace valley::app {

void add_doctor_command(CLI::App& app);

}  // namespace valley::app
