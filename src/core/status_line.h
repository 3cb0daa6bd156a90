// Progress line at the bottom of the terminal, redrawn in place. It is hidden while log.h writes a
// message.
#pragma once

namespace valley::log {

class StatusLine {
 public:
  virtual void hide() = 0;  // erases the line
  virtual void show_again() = 0;

 protected:
  ~StatusLine() = default;
};

// From now on each message on stderr calls hide() of `line` before it and show_again() after it, on
// the thread that logs; these must not log. Replaces the previous line.
void set_status_line(StatusLine& line);
// `line` is not called after this returns. No effect if another line has been set.
void unset_status_line(const StatusLine& line);

}  // namespace valley::log
