#include "nn/tensor_pattern.h"

#include <charconv>
#include <cstdint>
#include <optional>

namespace valley {
namespace {

// The text before the first dot; `text` becomes what follows it.
std::string_view take_part(std::string_view& text) {
  const auto dot = text.find('.');
  const std::string_view part = text.substr(0, dot);
  text = dot == std::string_view::npos ? std::string_view() : text.substr(dot + 1);
  return part;
}

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool matches_part(std::string_view name, std::string_view pattern) {
  if (name == pattern) return true;
  const auto dash = pattern.find('-');
  if (dash == std::string_view::npos) return false;
  const auto first = number(pattern.substr(0, dash));
  const auto last = number(pattern.substr(dash + 1));
  const auto wanted = number(name);
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
