// `valley completion`.
#pragma once

#include <CLI/App.hpp>

namespace valley::app {

// `app` is the whole program, whose commands are completed.
void add_completion_command(CLI::App& app);

}  // namespace valley::app
