#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "app/bench/subcommands.h"
#include "app/commands.h"

namespace valley::app {

void add_bench_command(CLI::App& app) {
  CLI::App* bench =
      app.add_subcommand("bench",
                         "Measure the speed of a training step, of the loader or of all-reduce.\n\n"
                         "Examples:\n"
                         "  mpirun -n 2 valley bench step configs/began-64.toml model.width=32\n"
                         "  valley bench loader data/emoji-64\n"
                         "  mpirun -n 2 valley bench allreduce --sizes 4K,64M");
  bench->require_subcommand(1);
  add_bench_step(*bench);
  add_bench_loader(*bench);
  add_bench_allreduce(*bench);
}

}  // namespace valley::app
