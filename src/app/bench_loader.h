// `valley bench loader`.
#pragma once

#include <CLI/App.hpp>

namespace valley::app {

void add_bench_loader(CLI::App& bench);

}  // namespace valley::app
