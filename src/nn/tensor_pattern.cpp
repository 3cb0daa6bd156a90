#include "nn/tensor_pattern.h"

#include <cstdint>
#include <optional>

#include "core/numbers.h"

namespace valley {
namespace {

// The text before the first dot; `text` becomes what follows it.
std::string_view take_part(std::string_view& text) {
  const auto dot = text.find('.');
  const std::string_view part = text.substr(0, dot);
  text = dot == std::string_view::npos ? std::string_view() : text.substr(dot + 1);
  return part;
}

bool matches_part(std::string_view name, std::string_view pattern) {
  if (name == pattern) return true;
  const auto dash = pattern.find('-');
  if (dash == std::string_view::npos) return false;
  const auto first = parse_number<std::int64_t>(pattern.substr(0, dash));
  const auto last = parse_number<std::int64_t>(pattern.substr(dash + 1));
  const auto wanted = parse_number<std::int64_t>(name);
  return first && last && wanted && *first <= *wanted && *wanted <= *last;
}

}  // namespace

bool matches_pattern(std::string_view name, std::string_view pattern) {
  if (pattern.empty()) return false;
  while (!pattern.empty()) {
    const std::string_view wanted = take_part(pattern);
    std::string_view part = take_part(name);
    if (part == "levels" && wanted != part) part = take_part(name);
    if (part.empty() || !matches_part(part, wanted)) return false;
  }
  return true;
}

}  // namespace valley
