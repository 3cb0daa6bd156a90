// The subcommands of `valley shard`, which build and read data sets of checksummed HDF5 shards.
// `build` also runs on the ranks of a job; the others in one process, without MPI.
#pragma once

#include <CLI/App.hpp>

namespace valley::app {

void add_shard_build(CLI::App& shard);
void add_shard_dedupe(CLI::App& shard);
void add_shard_diff(CLI::App& shard);
void add_shard_export(CLI::App& shard);
void add_shard_info(CLI::App& shard);
void add_shard_merge(CLI::App& shard);
void add_shard_peek(CLI::App& shard);
void add_shard_reshard(CLI::App& shard);
void add_shard_split(CLI::App& shard);
void add_shard_subset(CLI::App& shard);
void add_shard_verify(CLI::App& shard);

}  // namespace valley::app
