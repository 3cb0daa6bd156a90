#include "app/number_list.h"

#include <charconv>
#include <string_view>

#include "core/error.h"

namespace valley::app {
namespace {

std::uint64_t parse_number(std::string_view text, const std::string& all,
                           const std::string& option) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw Error(ExitCode::kUsage,
                "{} {}: numbers and ranges with commas between them, such as 0-63 or 3,17,5",
                option, all);
  }
  return value;
}

}  // namespace

std::vector<std::uint64_t> parse_numbers(const std::string& text, const std::string& option,
                                         const std::string& what, std::uint64_t most) {
  std::vector<std::uint64_t> numbers;
  std::string_view rest = text;
  while (true) {
    const std::string_view part = rest.substr(0, rest.find(','));
    const std::size_t dash = part.find('-');
    const std::uint64_t first = parse_number(part.substr(0, dash), text, option);
    const std::uint64_t last =
        dash == std::string_view::npos ? first : parse_number(part.substr(dash + 1), text, option);
    if (last < first || last - first >= most || numbers.size() + (last - first) >= most) {
      throw Error(ExitCode::kUsage, "{} {}: a range goes up, and there can be at most {} {}",
                  option, text, most, what);
    }
    for (std::uint64_t i = 0; i <= last - first; ++i) numbers.push_back(first + i);
    if (part.size() == rest.size()) return numbers;
    rest.remove_prefix(part.size() + 1);
  }
}

}  // namespace valley::app
