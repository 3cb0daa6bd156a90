#include "comm/cuda_check.h"

#include <cuda_runtime_api.h>

#include "comm/world.h"
#include "core/error.h"

namespace valley {
void fail_cuda(int code, const char* expression, const char* file, int line) {
  const auto error = static_cast<cudaError_t>(code);
  throw Error(error == cudaErrorMemoryAllocation ? ExitCode::kOutOfMemory : ExitCode::kInternal,
              "{}: {} failed at {}:{}: {} ({})", this_rank(), expression, file_name(file), line,
              cudaGetErrorString(error), cudaGetErrorName(error));
}

}  // namespace valley
