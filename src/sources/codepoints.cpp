#include "sources/codepoints.h"

#include <charconv>
#include <cstdint>
#include <set>
#include <string_view>

#include "core/error.h"

namespace valley {
namespace {

constexpr std::uint32_t kLast = 0x10FFFF;

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

std::uint32_t parse_one(std::string_view text, std::string_view part) {
  std::string_view digits = trimmed(text);
  if (digits.starts_with("U+") || digits.starts_with("u+")) digits.remove_prefix(2);
  std::uint32_t value = 0;
  const auto [end, status] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (digits.empty() || status != std::errc() || end != digits.data() + digits.size() ||
      value > kLast)
    throw Error(
        ExitCode::kUsage,
        "--codepoints: \"{}\" is not a code point or range; write hexadecimal numbers from 0 to "
        "10FFFF such as 2639-263A,1F600",
        part);
  return value;
}

}  // namespace

std::vector<char32_t> parse_codepoints(const std::string& text) {
  std::vector<char32_t> codepoints;
  std::set<std::uint32_t> seen;
  std::string_view rest = text;
  for (bool more = true; more;) {
    const auto comma = rest.find(',');
    const std::string_view part = trimmed(rest.substr(0, comma));
    more = comma != std::string_view::npos;
    if (more) rest.remove_prefix(comma + 1);
    const auto dash = part.find('-');
    const std::uint32_t first = parse_one(part.substr(0, dash), part);
    const std::uint32_t last =
        dash == std::string_view::npos ? first : parse_one(part.substr(dash + 1), part);
    if (last < first)
      throw Error(ExitCode::kUsage, "--codepoints: the range \"{}\" ends before it starts", part);
    for (std::uint32_t value = first; value <= last; ++value) {
      if (seen.insert(value).second) codepoints.push_back(value);
    }
  }
  return codepoints;
}

std::string codepoint_name(char32_t codepoint) {
  return fmt::format("U+{:04X}", static_cast<std::uint32_t>(codepoint));
}

}  // namespace valley
