// `valley sample`.
#pragma once

#include <CLI/App.hpp>

namespace valley::app {

void add_sample_command(CLI::App& app);

}  // namespace valley::app
