// TERM, USR1, INT and XCPU (CPU time limit reached) ask training to stop: the handler sets a flag
// that training reads once per step.
#pragma once

namespace valley {

// Call once, as early as possible: from then on no signal is lost or ends the process, except that
// a second INT (Ctrl-C) ends it at once. With `prints` the first INT prints a notice on stderr.
// Unblocks signals that the parent process had blocked.
void install_stop_signals(bool prints);
[[nodiscard]] bool is_stop_requested();

}  // namespace valley
