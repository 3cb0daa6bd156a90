// `valley bench allreduce`.
#pragma once

#include <CLI/App.hpp>

namespace valley::app {

void add_bench_allreduce(CLI::App& bench);

}  // namespace valley::app
