// `valley evaluate`.
#pragma once

#include <CLI/App.hpp>

namespace valley::app {

void add_evaluate_command(CLI::App& app);

}  // namespace valley::app
