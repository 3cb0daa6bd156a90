// TERM and USR1 ask a job to stop: the handler sets a flag, training looks at it once a step.
#pragma once

namespace valley {

void install_stop_signals();
[[nodiscard]] bool stop_was_asked_for();

}  // namespace valley
