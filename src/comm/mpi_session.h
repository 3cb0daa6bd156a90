// MPI_Init_thread in the constructor, MPI_Finalize in the destructor. Must outlive all other uses
// of MPI; one per process, because MPI cannot be initialized twice.
//
// Does not call MPI_Finalize during stack unwinding, because that would wait for the other ranks:
// `abort_job` ends the job then.
#pragma once

#include <string>

#include "comm/world.h"

namespace valley {

class MpiSession {
 public:
  // Error (kConfig) if MPI finds a different number of ranks than the launcher started, or does not
  // support calls from several threads in turn.
  explicit MpiSession(const LaunchInfo& expected);
  ~MpiSession();
  MpiSession(MpiSession&&) = delete;
  MpiSession& operator=(MpiSession&&) = delete;

  [[nodiscard]] static std::string library();  // "Open MPI v4.1.4"

 private:
  int exceptions_when_built_;
};

}  // namespace valley
