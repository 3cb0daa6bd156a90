// What ends a process: any exception as an exit code and one message.
#pragma once

#include <string>

#include "core/error.h"

namespace valley {

struct Failure {
  ExitCode code;
  std::string message;
};

// Of the exception that is being handled; called inside a catch block. An Error speaks for itself,
// memory that ran out is kOutOfMemory with a way out, anything else kInternal.
[[nodiscard]] Failure current_failure();

}  // namespace valley
