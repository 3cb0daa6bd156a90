// Lists of whole numbers as commands take them: "0-3,9" is 0, 1, 2, 3, 9.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace valley::app {

// Error kUsage naming `option` for what is no such list, and for more than `most` numbers, which
// are called `what`: "seeds".
[[nodiscard]] std::vector<std::uint64_t> parse_numbers(const std::string& text,
                                                       const std::string& option,
                                                       const std::string& what, std::uint64_t most);

}  // namespace valley::app
