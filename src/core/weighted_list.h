// Texts with weights, as config files write them: [["a", 0.7], ["b", 0.3]].
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace valley {

struct WeightedText {
  std::string text;
  double weight = 1;
};

// True if a value that is given as text, as on the command line, begins like such a list.
[[nodiscard]] bool is_weighted_list(std::string_view text);

// The list in `text`, or `text` itself with weight 1. Error kConfig, "WHERE: why", for another
// list, an empty or repeated text, and a weight that is not a number above 0.
[[nodiscard]] std::vector<WeightedText> parse_weighted_list(const std::string& text,
                                                            const std::string& where);

// The list as TOML, on one line.
[[nodiscard]] std::string to_toml(const std::vector<WeightedText>& list);

}  // namespace valley
