// `valley bench step`.
#pragma once

#include <CLI/App.hpp>

namespace valley::app {

void add_bench_step(CLI::App& bench);

}  // namespace valley::app
