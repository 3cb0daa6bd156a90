// Progress line on stderr of rank 0: redrawn in place on a terminal, otherwise a plain line from
// time to time.
//
//   step 1200 | 19.2 kimg | L(x) 0.081 L(G) 0.040 k 0.12 M 0.09 | 412 img/s | data 1% comm 3%
//   | MFU 41% | 21.0 GiB | ETA 2h10
//
// On a terminal the line stays below the messages of core/log.h.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/status_line.h"

namespace valley {

struct ProgressReport {
  std::int64_t step = 0;
  std::int64_t steps = 0;
  std::int64_t images = 0;
  std::vector<std::pair<std::string, double>> metrics;  // short names, in order
  double images_per_second = 0;
  double data_share = 0;  // share of the time of a step, 0..1
  double comm_share = 0;
  double utilization = 0;  // MFU, 0..1; 0: unknown
  double memory_gib = 0;   // peak of this rank
  double eta_seconds = 0;
};

// Losses ("L...") have three decimals, other metrics two; smaller values have two significant
// digits, large ones fewer decimals. Omits unknown parts: images per second, MFU,
// memory (0), ETA (negative or not finite).
[[nodiscard]] std::string format_progress(const ProgressReport& report);
[[nodiscard]] std::string format_duration(double seconds);  // "42s", "3m05", "2h10", "3d04h"

// Any thread may call.
class Progress final : public log::StatusLine {
 public:
  explicit Progress(double seconds_between_plain_lines = 10);
  ~Progress();  // calls finish
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // On a terminal redraws the line, truncated to the terminal's width. Otherwise prints it if it is
  // the first or enough seconds have passed since the last one.
  void show(const ProgressReport& report);
  void hide() override;        // on a terminal: erases the line for a message
  void show_again() override;  // on a terminal: draws it below the message
  void finish();               // leaves the last line visible

 private:
  void draw();

  const double seconds_between_plain_lines_;
  const bool is_terminal_;
  std::mutex mutex_;
  bool line_is_drawn_ = false;
  std::string unprinted_;  // last report, if it was not printed permanently
  std::optional<std::chrono::steady_clock::time_point> last_plain_;
};

// First `columns` columns of UTF-8 text, one per character.
[[nodiscard]] std::string cut_to_columns(const std::string& text, std::size_t columns);

}  // namespace valley
