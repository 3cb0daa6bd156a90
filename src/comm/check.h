// CHECK_MPI(call): throws an Error with the expression, file and line, the rank and MPI's message.
// For .cpp files that include mpi.h; MPI_ERRORS_RETURN must be set on the communicator (MpiSession
// and make_mpi_communicator do).
#pragma once

namespace valley {

// kRankLost if the network or another rank failed, kInternal if the call was invalid.
[[noreturn]] void fail_mpi(int code, const char* expression, const char* file, int line);

}  // namespace valley

#define CHECK_MPI(expression)                                               \
  do {                                                                      \
    const int valley_mpi_code = (expression);                               \
    if (valley_mpi_code != 0)                                               \
      ::valley::fail_mpi(valley_mpi_code, #expression, __FILE__, __LINE__); \
  } while (false)
