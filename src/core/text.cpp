#include "core/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "core/error.h"

namespace valley {
namespace {

// The code point of a whole character of UTF-8.
std::uint32_t code_point_of(std::string_view character) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(character[i]); };
  if (character.size() == 1) return byte(0);
  std::uint32_t code = byte(0) & (0xFFU >> (character.size() + 1));
  for (std::size_t i = 1; i < character.size(); ++i) code = code << 6U | (byte(i) & 0x3FU);
  return code;
}

bool is_terminal_command(std::uint32_t code) {
  const bool is_control = code < 0x20 || (code >= 0x7F && code < 0xA0);
  const bool is_direction =
      (code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
  return is_control || is_direction;
}

std::string escape_commands(std::string_view text, std::string_view kept) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = utf8_character_bytes(text);
    const std::string_view character = text.substr(0, std::max<std::size_t>(length, 1));
    text.remove_prefix(character.size());
    if (length == 0) {
      out += fmt::format("\\x{:02X}", static_cast<unsigned char>(character[0]));
      continue;
    }
    const std::uint32_t code = code_point_of(character);
    if (!is_terminal_command(code) || kept.find(character) != std::string_view::npos)
      out += character;
    else
      out += length == 1 ? fmt::format("\\x{:02X}", code) : fmt::format("\\u{:04X}", code);
  }
  return out;
}

}  // namespace

std::size_t utf8_character_bytes(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (text.empty()) return 0;
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80) return 0;
  }
  const bool is_overlong = (first == 0xE0 && byte(1) < 0xA0) || (first == 0xF0 && byte(1) < 0x90);
  const bool is_surrogate = first == 0xED && byte(1) >= 0xA0;
  const bool is_beyond = first == 0xF4 && byte(1) >= 0x90;
  return is_overlong || is_surrogate || is_beyond ? 0 : length;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_character_bytes(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string printable(std::string_view text) { return escape_commands(text, "\n\t"); }

std::string printable_line(std::string_view text) { return escape_commands(text, ""); }

std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

std::vector<std::string> wrap(std::string_view text, std::size_t width) {
  constexpr std::string_view kSpace = " \t\n";
  std::vector<std::string> lines;
  while (true) {
    const std::size_t begin = text.find_first_not_of(kSpace);
    if (begin == std::string_view::npos) return lines;
    const std::size_t end = std::min(text.find_first_of(kSpace, begin), text.size());
    const std::string_view word = text.substr(begin, end - begin);
    if (!lines.empty() && columns(lines.back()) + 1 + columns(word) <= width)
      lines.back().append(" ").append(word);
    else
      lines.emplace_back(word);
    text.remove_prefix(end);
  }
}

std::string cuda_version_text(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

std::string nccl_version_text(int version) {
  return fmt::format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

std::string plural(std::int64_t n, std::string_view word) {
  return fmt::format("{} {}{}", n, word, n == 1 ? "" : "s");
}

std::string format_bytes(std::uint64_t bytes) {
  constexpr double kStep = 1024;
  constexpr std::array kUnits{"KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = static_cast<double>(bytes) / kStep;
  if (value < 1) return plural(static_cast<std::int64_t>(bytes), "byte");
  std::size_t unit = 0;
  for (; value >= kStep && unit + 1 < kUnits.size(); ++unit) value /= kStep;
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string first_line(std::string_view text) {
  return std::string(text.substr(0, text.find('\n')));
}

std::string join_up_to(std::size_t max_items, const std::vector<std::string>& items) {
  const std::size_t shown = std::min(max_items, items.size());
  const auto end = items.begin() + static_cast<std::ptrdiff_t>(shown);
  const std::string text = fmt::format("{}", fmt::join(items.begin(), end, ", "));
  return shown == items.size() ? text : fmt::format("{} and {} more", text, items.size() - shown);
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  VALLEY_CHECK(::gmtime_r(&now, &parts) != nullptr);
  std::array<char, 32> text{};
  VALLEY_CHECK(std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts) > 0);
  return text.data();
}

std::string escaped_name(std::string_view path) {
  std::string name;
  while (!path.empty()) {
    const auto first = static_cast<unsigned char>(path[0]);
    const std::size_t length = utf8_character_bytes(path);
    const bool is_plain = length > 0 && first >= 0x20 && first != 0x7F && first != '\\';
    if (is_plain)
      name += path.substr(0, length);
    else
      name += fmt::format("\\x{:02X}", first);
    path.remove_prefix(is_plain ? length : 1);
  }
  return name;
}

}  // namespace valley
