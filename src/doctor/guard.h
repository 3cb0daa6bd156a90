// Checks in child processes, so that one that hangs, crashes or exceeds a limit loses its own
// findings only.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "doctor/finding.h"

namespace valley::doctor {

using Check = std::function<void(const Notes&)>;

// Runs `check` in a child process and adds its findings to `checkup`, also those before an error.
// Errors are failures: an Error with its own code, a crash with kInternal, a timeout after `limit`
// with `hang_code` (the child is killed). This process must not have other threads. Returns false
// after a timeout.
bool run_guarded(const std::string& group, std::chrono::milliseconds limit, ExitCode hang_code,
                 const Check& check, Checkup& checkup);

}  // namespace valley::doctor
