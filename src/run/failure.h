// Exit code and error message of a process that ends with an exception.
#pragma once

#include <functional>
#include <string>

#include "core/error.h"

namespace valley {

struct Failure {
  ExitCode code;
  std::string message;
};

// Failure for the exception being handled; call inside a catch block. An Error has its own code and
// message; an allocation failure is kOutOfMemory, with advice; any other exception is kInternal.
[[nodiscard]] Failure current_failure();

// Makes std::terminate print one message and end the job with its exit code, like other failures.
// A GPU fault ends in std::terminate: each later CUDA call fails too, also in destructors while the
// first exception unwinds the stack. Also handles exit(1) of a library that cannot create a thread
// (OpenMP).
void report_sudden_ends();

// During its lifetime such a failure is passed to `record` first. At most one object at a time.
class TerminateRecord {
 public:
  explicit TerminateRecord(std::function<void(const Failure&)> record);
  ~TerminateRecord();
  TerminateRecord(const TerminateRecord&) = delete;
  TerminateRecord& operator=(const TerminateRecord&) = delete;
};

}  // namespace valley
