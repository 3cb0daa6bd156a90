#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "app/commands.h"
#include "app/shard/subcommands.h"

namespace valley::app {

void add_shard_command(CLI::App& app) {
  CLI::App* shard = app.add_subcommand(
      "shard",
      "Build, verify, describe, copy, compare and export data sets of HDF5 shards.\n\n"
      "Examples:\n"
      "  valley shard build --source photos --dest data/photos-256\n"
      "  valley shard peek data/photos-256 -o peek.png\n"
      "  valley shard build --source NotoColorEmoji.ttf --dest data/emoji-64 --resolution 64\n"
      "  valley shard verify data/emoji-64 --deep\n"
      "  valley shard info data/emoji-64 --json");
  shard->require_subcommand(1);
  add_shard_build(*shard);
  add_shard_verify(*shard);
  add_shard_info(*shard);
  add_shard_peek(*shard);
  add_shard_subset(*shard);
  add_shard_split(*shard);
  add_shard_merge(*shard);
  add_shard_reshard(*shard);
  add_shard_export(*shard);
  add_shard_dedupe(*shard);
  add_shard_diff(*shard);
}

}  // namespace valley::app
