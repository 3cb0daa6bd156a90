#include "record/stats_writer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/json_text.h"
#include "core/read_file.h"

namespace valley {
namespace {

constexpr std::uint64_t kMaxStatsBytes = std::uint64_t{8} << 30U;

std::string json_number(double value) {
  if (!std::isfinite(value)) return "null";
  std::array<char, 32> text{};
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), value);
  VALLEY_CHECK(error == std::errc{});
  return {text.data(), end};
}

std::string json_value(const StatsValue& value) {
  return std::visit(
      [](const auto& held) -> std::string {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<Held, double>) return json_number(held);
        if constexpr (std::is_same_v<Held, std::int64_t>) return std::to_string(held);
        if constexpr (std::is_same_v<Held, std::string>) return json_string(held);
      },
      value);
}

// Possible leftovers of a killed writer at the end: a line without newline, or zeros of unwritten
// blocks.
bool is_whole(std::string_view line) {
  return line.ends_with('\n') && !try_parse_json(line).is_discarded();
}

bool is_later_than(std::string_view line, std::int64_t step) {
  const auto json = try_parse_json(line);
  if (!json.is_object()) return false;
  const auto found = json.find("step");
  return found != json.end() && found->is_number() &&
         found->get<double>() > static_cast<double>(step);
}

void drop_what_comes_after(const std::filesystem::path& path, std::int64_t step) {
  const std::string before = read_file(path, {.max_bytes = kMaxStatsBytes});
  std::string after;
  for (std::size_t begin = 0, end = 0; begin < before.size(); begin = end) {
    end = std::min(before.find('\n', begin), before.size() - 1) + 1;
    const std::string_view line = std::string_view(before).substr(begin, end - begin);
    const bool is_torn = end == before.size() && !is_whole(line);
    if (!is_torn && !is_later_than(line, step)) after += line;
  }
  if (after.size() != before.size()) write_file(path, after);
}

AppendFile open_without_later(std::filesystem::path path, std::int64_t step) {
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored)) drop_what_comes_after(path, step);
  return AppendFile(std::move(path));
}

}  // namespace

StatsWriter::StatsWriter(std::filesystem::path path, std::int64_t resume_step)
    : file_(open_without_later(std::move(path), resume_step)) {}

void StatsWriter::write(const StatsLine& line) { file_.append(format_stats_line(line)); }

std::string format_stats_line(const StatsLine& line) {
  std::string text = "{";
  for (const auto& [name, value] : line) {
    if (text.size() > 1) text += ", ";
    text += json_string(name) + ": " + json_value(value);
  }
  return text + "}\n";
}

}  // namespace valley
