#include "record/progress.h"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/terminal.h"

namespace valley {
namespace {

constexpr const char* kClearToEnd = "\x1b[K";

std::size_t terminal_columns() {
  constexpr std::size_t kUsual = 80;
  struct ::winsize size {};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 2) return kUsual;
  return size.ws_col;
}

// One call, so that lines of other threads do not interleave.
void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

std::string format_metric(const std::string& name, double value) {
  const int decimals = name.starts_with('L') ? 3 : 2;
  const double size = std::abs(value);
  if (!std::isfinite(value) || size == 0) return fmt::format("{} {:.{}f}", name, value, decimals);
  if (size < 0.5 * std::pow(10.0, -decimals)) return fmt::format("{} {:.2g}", name, value);
  if (size >= 1e6) return fmt::format("{} {:.2e}", name, value);
  return fmt::format("{} {:.{}f}", name, value, size >= 1e4 ? 0 : size >= 100 ? 1 : decimals);
}

}  // namespace

std::string format_duration(double seconds) {
  constexpr std::int64_t kMinute = 60;
  constexpr std::int64_t kHour = 60 * kMinute;
  constexpr std::int64_t kDay = 24 * kHour;
  constexpr double kLongest = 1e9 * static_cast<double>(kDay);
  if (std::isnan(seconds)) return "?";
  const auto whole = static_cast<std::int64_t>(std::round(std::clamp(seconds, 0.0, kLongest)));
  if (whole < kMinute) return fmt::format("{}s", whole);
  if (whole < kHour) return fmt::format("{}m{:02}", whole / kMinute, whole % kMinute);
  if (whole < kDay) return fmt::format("{}h{:02}", whole / kHour, whole % kHour / kMinute);
  return fmt::format("{}d{:02}h", whole / kDay, whole % kDay / kHour);
}

std::string format_progress(const ProgressReport& report) {
  std::string text = fmt::format("step {} | {:.1f} kimg", report.step,
                                 static_cast<double>(report.images) / 1000.0);
  const char* separator = " | ";
  for (const auto& [name, value] : report.metrics) {
    text += separator;
    text += format_metric(name, value);
    separator = " ";
  }
  if (report.images_per_second > 0)
    text += fmt::format(" | {:.{}f} img/s", report.images_per_second,
                        report.images_per_second < 10 ? 1 : 0);
  text +=
      fmt::format(" | data {:.0f}% comm {:.0f}%", 100 * report.data_share, 100 * report.comm_share);
  if (report.utilization > 0) {
    const double percent = 100 * report.utilization;
    text += fmt::format(" | MFU {:.{}f}%", percent, percent < 1 ? 2 : percent < 10 ? 1 : 0);
  }
  if (report.memory_gib > 0) text += fmt::format(" | {:.1f} GiB", report.memory_gib);
  if (report.eta_seconds >= 0 && std::isfinite(report.eta_seconds))
    text += fmt::format(" | ETA {}", format_duration(report.eta_seconds));
  return text;
}

std::string cut_to_columns(const std::string& text, std::size_t columns) {
  constexpr unsigned kContinuationMask = 0xC0;
  constexpr unsigned kContinuation = 0x80;
  std::size_t seen = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool starts_character =
        (static_cast<unsigned char>(text[i]) & kContinuationMask) != kContinuation;
    if (starts_character && seen++ == columns) return text.substr(0, i);
  }
  return text;
}

Progress::Progress(double seconds_between_plain_lines)
    : seconds_between_plain_lines_(seconds_between_plain_lines),
      is_terminal_(is_capable_terminal(STDERR_FILENO)) {
  log::set_status_line(*this);
}

Progress::~Progress() {
  log::unset_status_line(*this);
  finish();
}

void Progress::show(const ProgressReport& report) {
  const std::scoped_lock lock(mutex_);
  unprinted_ = format_progress(report);
  if (is_terminal_) {
    draw();
    return;
  }
  const auto now = std::chrono::steady_clock::now();
  if (last_plain_ &&
      std::chrono::duration<double>(now - *last_plain_).count() < seconds_between_plain_lines_)
    return;
  last_plain_ = now;
  print(unprinted_ + "\n");
  unprinted_.clear();
}

void Progress::hide() {
  const std::scoped_lock lock(mutex_);
  if (!line_is_drawn_) return;
  print(fmt::format("\r{}", kClearToEnd));
  line_is_drawn_ = false;
}

void Progress::show_again() {
  const std::scoped_lock lock(mutex_);
  if (is_terminal_ && !unprinted_.empty()) draw();
}

void Progress::finish() {
  const std::scoped_lock lock(mutex_);
  if (unprinted_.empty()) return;
  if (is_terminal_ && !line_is_drawn_) draw();
  print(is_terminal_ ? "\n" : unprinted_ + "\n");
  unprinted_.clear();
  line_is_drawn_ = false;
}

void Progress::draw() {
  // A line of the full width would wrap on some terminals.
  print(fmt::format("\r{}{}", cut_to_columns(unprinted_, terminal_columns() - 1), kClearToEnd));
  line_is_drawn_ = true;
}

}  // namespace valley
