// `valley report`.
#pragma once

#include <CLI/App.hpp>

namespace valley::app {

void add_report_command(CLI::App& app);

}  // namespace valley::app
