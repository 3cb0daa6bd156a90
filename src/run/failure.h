// The end of a process by an exception: an exit code and one message.
#pragma once

#include <functional>
#include <string>

#include "core/error.h"

namespace valley {

struct Failure {
  ExitCode code;
  std::string message;
};

// Failure of the exception that is being handled; called inside a catch block. An Error has its own
// code and message, memory that ran out is kOutOfMemory with a way out, anything else kInternal.
[[nodiscard]] Failure current_failure();

// Makes std::terminate print one message and end the job with its code, like any other failure. A
// fault of the GPU gets there: every later call of CUDA fails as well, also those of destructors
// while the first exception unwinds the stack. The same for exit(1) by a library that gets no
// thread, as OpenMP does.
void report_sudden_ends();

// While this lives, such an end is recorded by `record` first. One at a time.
class TerminateRecord {
 public:
  explicit TerminateRecord(std::function<void(const Failure&)> record);
  ~TerminateRecord();
  TerminateRecord(const TerminateRecord&) = delete;
  TerminateRecord& operator=(const TerminateRecord&) = delete;
};

}  // namespace valley
