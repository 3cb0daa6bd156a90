// `valley restore`.
#pragma once

#include <CLI/App.hpp>

namespace valley::app {

void add_restore_command(CLI::App& app);

}  // namespace valley::app
