// TERM, USR1, INT and XCPU (the limit on CPU time is reached) ask a job to stop: the handler sets a
// flag, training looks at it once a step.
#pragma once

namespace valley {

// Called once, before anything that takes time: a signal from then on is never lost and never ends
// the process. The first INT (Ctrl-C) says on stderr what happens when `tells` is set; a second one
// ends the process at once. Signals that the starter had blocked arrive now.
void install_stop_signals(bool tells);
[[nodiscard]] bool stop_was_asked_for();

}  // namespace valley
