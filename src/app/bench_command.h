// `valley bench`.
#pragma once

#include <CLI/App.hpp>

namespace valley::app {

void add_bench_command(CLI::App& app);

}  // namespace valley::app
