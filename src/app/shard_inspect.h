// `valley shard verify` and `valley shard info`.
#pragma once

#include <cstdint>
#include <string>

namespace CLI {
class App;
}

namespace valley::app {

void add_shard_verify(CLI::App& shard);
void add_shard_info(CLI::App& shard);

[[nodiscard]] std::string human_bytes(std::uint64_t bytes);  // "21.0 MiB"

}  // namespace valley::app
