// `valley energy`.
#pragma once

#include <CLI/App.hpp>

namespace valley::app {

void add_energy_command(CLI::App& app);

}  // namespace valley::app
