// CHECK_MPI(call): throws an Error with the expression, its place, the rank and MPI's own words.
// For .cpp files that include mpi.h; MPI_ERRORS_RETURN must be set on the communicator (MpiSession
// and make_mpi_communicator do).
#pragma once

namespace valley {

// kRankLost where the network or another rank failed, kInternal where the call itself was wrong.
[[noreturn]] void fail_mpi(int code, const char* expression, const char* file, int line);

}  // namespace valley

#define CHECK_MPI(expression)                                               \
  do {                                                                      \
    const int valley_mpi_code = (expression);                               \
    if (valley_mpi_code != 0)                                               \
      ::valley::fail_mpi(valley_mpi_code, #expression, __FILE__, __LINE__); \
  } while (false)
