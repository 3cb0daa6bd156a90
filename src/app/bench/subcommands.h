// The subcommands of `valley bench`.
#pragma once

#include <CLI/App.hpp>

namespace valley::app {

void add_bench_allreduce(CLI::App& bench);
void add_bench_loader(CLI::App& bench);
void add_bench_step(CLI::App& bench);

}  // namespace valley::app
