#include "record/time_line.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <system_error>

#include "core/json_text.h"
#include "core/read_file.h"

namespace valley {
namespace {

constexpr std::array<const char*, kTimeKinds> kFields = {
    "startup_s", "steps_s", "data_wait_s", "checkpoints_s", "evaluation_s", "samples_s", "other_s"};
constexpr std::array kEvents = {"start", "progress", "save", "rescue", "end"};
constexpr double kMaxSeconds = 1e11;  // three thousand years: sums of lines stay finite

// Milliseconds are enough, and the lines stay short.
double rounded(double seconds) { return std::round(seconds * 1000) / 1000; }

std::optional<double> time_in(const nlohmann::json& json, const char* name) {
  const auto found = json.find(name);
  if (found == json.end() || !found->is_number()) return std::nullopt;
  const auto value = found->get<double>();
  if (!std::isfinite(value) || value < 0 || value > kMaxSeconds) return std::nullopt;
  return value;
}

}  // namespace

const char* field_name(TimeKind kind) { return kFields[static_cast<std::size_t>(kind)]; }

double TimeLine::elapsed() const { return std::accumulate(seconds.begin(), seconds.end(), 0.0); }

std::string format_time_line(const TimeLine& line) {
  nlohmann::ordered_json json = {{"event", kEvents[static_cast<std::size_t>(line.event)]},
                                 {"began", rounded(line.began)},
                                 {"time", rounded(line.time)},
                                 {"step", line.step}};
  if (line.event == TimeEvent::kStart) json["restart"] = line.is_restart;
  for (std::size_t i = 0; i < kTimeKinds; ++i) json[kFields[i]] = rounded(line.seconds[i]);
  return write_json(json) + "\n";
}

std::optional<TimeLine> parse_time_line(std::string_view text) {
  const auto json = try_parse_json(text);
  if (!json.is_object()) return std::nullopt;
  TimeLine line;
  const auto event = json.find("event");
  if (event == json.end() || !event->is_string()) return std::nullopt;
  const auto* const known = std::ranges::find(kEvents, event->get<std::string>());
  if (known == kEvents.end()) return std::nullopt;
  line.event = static_cast<TimeEvent>(known - kEvents.begin());
  const std::optional<double> began = time_in(json, "began");
  const std::optional<double> time = time_in(json, "time");
  const auto step = json.find("step");
  if (!began || !time || step == json.end() || !step->is_number_integer()) return std::nullopt;
  line.began = *began;
  line.time = *time;
  line.step = step->get<std::int64_t>();
  if (line.step < 0) return std::nullopt;
  for (std::size_t i = 0; i < kTimeKinds; ++i) {
    const std::optional<double> seconds = time_in(json, kFields[i]);
    if (!seconds) return std::nullopt;
    line.seconds[i] = *seconds;
  }
  const auto restart = json.find("restart");
  line.is_restart = restart != json.end() && restart->is_boolean() && restart->get<bool>();
  return line;
}

std::vector<TimeLine> read_time_lines(const std::filesystem::path& file) {
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return {};
  const std::string text = read_file(file);
  std::vector<TimeLine> lines;
  for (std::size_t begin = 0, end = 0; begin < text.size(); begin = end + 1) {
    end = std::min(text.find('\n', begin), text.size());
    if (auto line = parse_time_line(std::string_view(text).substr(begin, end - begin)))
      lines.push_back(*std::move(line));
  }
  return lines;
}

}  // namespace valley
