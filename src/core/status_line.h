// The line that stands on the terminal below the messages: progress that is redrawn in place. It
// makes room for each message of log.h.
#pragma once

namespace valley::log {

class StatusLine {
 public:
  virtual void hide() = 0;  // wipes the line
  virtual void show_again() = 0;

 protected:
  ~StatusLine() = default;
};

// From now on each message on stderr hides `line` before it and shows it again after it, on the
// thread that logs; what `line` does then must not log. The newest line counts.
void set_status_line(StatusLine& line);
// When this has returned, `line` is not called any more. Another line stays.
void unset_status_line(const StatusLine& line);

}  // namespace valley::log
