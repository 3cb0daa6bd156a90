#include "comm/cuda_check.h"

#include <cuda_runtime_api.h>
#include <nccl.h>

#include <string_view>

#include "comm/world.h"
#include "core/error.h"

namespace valley {
namespace {

std::string_view file_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

void fail_cuda(int code, const char* expression, const char* file, int line) {
  const auto error = static_cast<cudaError_t>(code);
  throw Error(error == cudaErrorMemoryAllocation ? ExitCode::kOutOfMemory : ExitCode::kInternal,
              "{}: {} failed at {}:{}: {} ({})", this_rank(), expression, file_name(file), line,
              cudaGetErrorString(error), cudaGetErrorName(error));
}

void fail_nccl(int code, const char* detail, const char* expression, const char* file, int line) {
  const auto result = static_cast<ncclResult_t>(code);
  const bool wrong_call = result == ncclInvalidArgument || result == ncclInvalidUsage;
  throw Error(wrong_call ? ExitCode::kInternal : ExitCode::kRankLost,
              "{}: {} failed at {}:{}: {}{}{}; see the other ranks' messages, and start again with "
              "NCCL_DEBUG=INFO for what NCCL did before",
              this_rank(), expression, file_name(file), line, ncclGetErrorString(result),
              *detail == '\0' ? "" : ": ", detail);
}

}  // namespace valley
