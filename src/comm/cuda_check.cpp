#include "comm/cuda_check.h"

#include <c10/util/Exception.h>
#include <cuda_runtime_api.h>
#include <fmt/core.h>

#include <string>

#include "comm/world.h"
#include "core/error.h"

namespace valley {

void fail_cuda(int code, const char* expression, const char* file, int line) {
  const auto error = static_cast<cudaError_t>(code);
  const std::string text = fmt::format("{} failed at {}:{}: {} ({})", expression, file_name(file),
                                       line, cudaGetErrorString(error), cudaGetErrorName(error));
  TORCH_CHECK_WITH(OutOfMemoryError, error != cudaErrorMemoryAllocation, text);
  throw Error(ExitCode::kInternal, "{}: {}", this_rank(), text);
}

}  // namespace valley
