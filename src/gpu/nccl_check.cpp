#include "gpu/nccl_check.h"

#include <c10/util/Exception.h>
#include <nccl.h>

#include <string_view>

#include "comm/cuda_check.h"
#include "comm/world.h"
#include "core/error.h"

namespace valley {

void fail_nccl(int code, const char* detail, const char* expression, const char* file, int line) {
  const auto result = static_cast<ncclResult_t>(code);
  // NCCL allocates buffers when it connects, and reports a failed allocation only as text.
  TORCH_CHECK_WITH(OutOfMemoryError,
                   std::string_view(detail).find("out of memory") == std::string_view::npos,
                   expression, " failed: ", detail);
  const bool wrong_call = result == ncclInvalidArgument || result == ncclInvalidUsage;
  throw Error(wrong_call ? ExitCode::kInternal : ExitCode::kRankLost,
              "{}: {} failed at {}:{}: {}{}{}; see the other ranks' messages, and start again with "
              "NCCL_DEBUG=INFO for what NCCL did before",
              this_rank(), expression, file_name(file), line, ncclGetErrorString(result),
              *detail == '\0' ? "" : ": ", detail);
}

}  // namespace valley
