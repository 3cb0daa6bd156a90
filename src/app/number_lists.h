// Lists of integers on the command line: "0-3,9" is 0, 1, 2, 3, 9.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace valley::app {

// Error kUsage naming `option` for text that is not such a list, and for more than `max` numbers.
// `what` names them in the message: "seeds".
[[nodiscard]] std::vector<std::uint64_t> parse_numbers(const std::string& text,
                                                       const std::string& option,
                                                       const std::string& what, std::uint64_t max);

// Elements [begin, begin + size) of a list.
struct ListRange {
  std::size_t begin = 0;
  std::size_t size = 0;
};
// Splits `numbers` into ranges of at most `max_size` elements, each one larger than the one before.
[[nodiscard]] std::vector<ListRange> split_consecutive(const std::vector<std::uint64_t>& numbers,
                                                       std::size_t max_size);

}  // namespace valley::app
