// `valley shard build`.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

namespace CLI {
class App;
}

namespace valley::app {

void add_shard_build(CLI::App& shard);

// "64" or "WIDTHxHEIGHT" as (height, width). kUsage for anything else.
[[nodiscard]] std::pair<std::int64_t, std::int64_t> parse_resolution(const std::string& text);

}  // namespace valley::app
