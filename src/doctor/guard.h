// A check in a process of its own: one that hangs, crashes or runs out of something costs its own
// findings only.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "doctor/finding.h"

namespace valley::doctor {

using Check = std::function<void(const Notes&)>;

// Runs `check` in a child process and adds its findings to `checkup`; those made before it went
// wrong are kept. What went wrong is a failure itself: an Error with its own code; a crash with
// kInternal; no end within `limit` with `code_of_hang` (the child is killed). To be called while
// this process has no threads. Returns false after a hang.
bool run_guarded(const std::string& group, std::chrono::milliseconds limit, ExitCode code_of_hang,
                 const Check& check, Checkup& checkup);

}  // namespace valley::doctor
