// MPI for the life of a process: MPI_Init_thread when built, MPI_Finalize when destroyed. Built
// before anything that uses MPI and destroyed after all of it. A process can have one only: MPI
// cannot be started twice.
//
// Destroyed by an exception it leaves MPI running, because MPI_Finalize waits for the other ranks:
// `abort_job` ends the job then.
#pragma once

#include <string>

#include "comm/world.h"

namespace valley {

class MpiSession {
 public:
  // Error (kConfig) when MPI finds another number of ranks than the launcher started, or does not
  // allow calls from several threads in turn.
  explicit MpiSession(const LaunchInfo& expected);
  ~MpiSession();
  MpiSession(MpiSession&&) = delete;
  MpiSession& operator=(MpiSession&&) = delete;

  [[nodiscard]] static std::string library();  // "Open MPI v4.1.4"

 private:
  int exceptions_when_built_;
};

}  // namespace valley
