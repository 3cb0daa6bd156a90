#include "app/number_lists.h"

#include <string_view>

#include "core/error.h"
#include "core/numbers.h"

namespace valley::app {
namespace {

std::uint64_t parse_item(std::string_view text, const std::string& all, const std::string& option) {
  const auto value = parse_number<std::uint64_t>(text);
  if (!value) {
    throw Error(ExitCode::kUsage,
                "{} {}: write integers and ranges separated by commas, such as 0-63 or 3,17,5",
                option, all);
  }
  return *value;
}

}  // namespace

std::vector<std::uint64_t> parse_numbers(const std::string& text, const std::string& option,
                                         const std::string& what, std::uint64_t max) {
  std::vector<std::uint64_t> numbers;
  std::string_view rest = text;
  while (true) {
    const std::string_view part = rest.substr(0, rest.find(','));
    const std::size_t dash = part.find('-');
    const std::uint64_t first = parse_item(part.substr(0, dash), text, option);
    const std::uint64_t last =
        dash == std::string_view::npos ? first : parse_item(part.substr(dash + 1), text, option);
    if (last < first || last - first >= max || numbers.size() + (last - first) >= max) {
      throw Error(ExitCode::kUsage, "{} {}: a range must ascend, and at most {} {} are possible",
                  option, text, max, what);
    }
    for (std::uint64_t i = 0; i <= last - first; ++i) numbers.push_back(first + i);
    if (part.size() == rest.size()) return numbers;
    rest.remove_prefix(part.size() + 1);
  }
}

std::vector<ListRange> split_consecutive(const std::vector<std::uint64_t>& numbers,
                                         std::size_t max_size) {
  std::vector<ListRange> ranges;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (i > 0 && numbers[i] == numbers[i - 1] + 1 && ranges.back().size < max_size) {
      ++ranges.back().size;
    } else {
      ranges.push_back({i, 1});
    }
  }
  return ranges;
}

}  // namespace valley::app
