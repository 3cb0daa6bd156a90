// Stack traces of all threads of this process, for the record of a job that hangs.
#pragma once

#include <string>
#include <vector>

namespace valley {

struct ThreadTrace {
  long thread = 0;  // as in /proc/self/task
  std::string name;
  char state = '?';                 // by /proc: 'R' running, 'S' sleeping, 'D' waiting for a disk
  std::vector<std::string> frames;  // innermost first; empty if the thread did not answer
};

// Installs the handler of a real-time signal that traces use. Call once, early.
void prepare_stack_traces();

// Interrupts each thread for a moment; system calls that cannot be restarted fail with EINTR, so
// that this is for processes that are about to end. Not for several threads at a time.
[[nodiscard]] std::vector<ThreadTrace> stack_traces();

}  // namespace valley
