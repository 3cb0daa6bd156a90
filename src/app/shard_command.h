// `valley shard build|verify|info|peek`: data sets of checksummed HDF5 shards. Runs on one process,
// without MPI.
#pragma once

namespace CLI {
class App;
}

namespace valley::app {

void add_shard_command(CLI::App& app);

}  // namespace valley::app
