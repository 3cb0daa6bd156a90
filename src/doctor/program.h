// Build information of this program.
#pragma once

#include <string>
#include <vector>

namespace valley::doctor {

struct Program {
  std::string version;                     // "0.1.0"
  std::string commit;                      // git commit; "" if it was not built from a clone
  std::string compiler;                    // "GCC 12.2.0"
  std::string backend;                     // "CUDA and NCCL" or "CPU only"
  std::vector<std::string> architectures;  // CUDA architectures, as CMake names them
  std::string mpiexec;                     // the MPI launcher found at build time
};

[[nodiscard]] Program this_program();

}  // namespace valley::doctor
