// The progress of a command on stderr: on a terminal one line that is redrawn and wiped at the end;
// elsewhere a plain line every ten seconds. (Training's, which lives with its log, is
// record/progress.h.)
#pragma once

#include <chrono>
#include <string>

namespace valley::app {

class TransientLine {
 public:
  explicit TransientLine(std::chrono::milliseconds between_redraws = {});
  ~TransientLine();
  TransientLine(const TransientLine&) = delete;
  TransientLine& operator=(const TransientLine&) = delete;

  [[nodiscard]] bool is_due();         // whether it is time for the next one; if so, it is taken
  void show(const std::string& line);  // one at a time

 private:
  bool is_terminal_;
  bool is_open_ = false;
  std::chrono::milliseconds between_;
  std::chrono::steady_clock::time_point last_;
};

}  // namespace valley::app
