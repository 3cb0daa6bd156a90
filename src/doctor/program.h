// The program that this is, as it was built.
#pragma once

#include <string>
#include <vector>

namespace valley::doctor {

struct Program {
  std::string version;                     // "0.1.0"
  std::string commit;                      // of git, "" when it was not built from a clone
  std::string compiler;                    // "GCC 12.2.0"
  std::string backend;                     // "CUDA and NCCL" or "CPU only"
  std::vector<std::string> architectures;  // of its CUDA code, as CMake names them
  std::string mpiexec;                     // the launcher that the build found
};

[[nodiscard]] Program this_program();

}  // namespace valley::doctor
