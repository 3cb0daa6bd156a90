// `valley shard peek`.
#pragma once

namespace CLI {
class App;
}

namespace valley::app {

void add_shard_peek(CLI::App& shard);

}  // namespace valley::app
