#include "record/stats_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include "core/atomic_file.h"
#include "core/error.h"

namespace valley {
namespace {

constexpr ::mode_t kMode = 0644;

std::string json_string(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

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

// What a killed writer may leave at the end: no newline, or the zeros of blocks that were never
// filled.
bool is_whole(std::string_view line) {
  return line.ends_with('\n') && nlohmann::json::accept(line.begin(), line.end());
}

bool is_later_than(std::string_view line, std::int64_t step) {
  const auto json = nlohmann::json::parse(line.begin(), line.end(), nullptr, false);
  if (!json.is_object()) return false;
  const auto found = json.find("step");
  return found != json.end() && found->is_number() &&
         found->get<double>() > static_cast<double>(step);
}

void drop_what_comes_after(const std::filesystem::path& path, std::int64_t step) {
  const std::string before = read_file(path);
  std::string after;
  for (std::size_t begin = 0, end = 0; begin < before.size(); begin = end) {
    end = std::min(before.find('\n', begin), before.size() - 1) + 1;
    const std::string_view line = std::string_view(before).substr(begin, end - begin);
    const bool is_torn = end == before.size() && !is_whole(line);
    if (!is_torn && !is_later_than(line, step)) after += line;
  }
  if (after.size() != before.size()) write_file(path, after);
}

}  // namespace

StatsWriter::StatsWriter(std::filesystem::path path, std::int64_t resume_step)
    : path_(std::move(path)) {
  std::error_code ignored;
  if (std::filesystem::exists(path_, ignored)) drop_what_comes_after(path_, resume_step);
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, kMode);
  if (descriptor_ < 0) throw file_error("opening", path_.string(), errno, true);
}

StatsWriter::StatsWriter(StatsWriter&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

StatsWriter::~StatsWriter() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void StatsWriter::write(const StatsLine& line) {
  const std::string text = format_stats_line(line);
  const ::off_t begin = ::lseek(descriptor_, 0, SEEK_END);
  std::string_view left = text;
  while (!left.empty()) {
    const ::ssize_t n = ::write(descriptor_, left.data(), left.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const int error_number = errno;
      // Part of a line would garble the next one.
      [[maybe_unused]] const int result = ::ftruncate(descriptor_, begin);
      throw file_error(fmt::format("writing {} bytes to", text.size()), path_.string(),
                       error_number, true);
    }
    left.remove_prefix(static_cast<std::size_t>(n));
  }
}

std::string format_stats_line(const StatsLine& line) {
  std::string text = "{";
  for (const auto& [name, value] : line) {
    if (text.size() > 1) text += ", ";
    text += json_string(name) + ": " + json_value(value);
  }
  return text + "}\n";
}

}  // namespace valley
