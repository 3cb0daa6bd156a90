// CHECK_NCCL(call): throws an Error with the expression, file and line, the rank and NCCL's
// message.
#pragma once

namespace valley {

// `code` is a ncclResult_t: kInternal if the call was invalid, kRankLost otherwise.
// `detail` is ncclGetLastError's text, or "".
[[noreturn]] void fail_nccl(int code, const char* detail, const char* expression, const char* file,
                            int line);

}  // namespace valley

#define CHECK_NCCL(expression)                                                    \
  do {                                                                            \
    const int valley_nccl_code = (expression);                                    \
    if (valley_nccl_code != 0)                                                    \
      ::valley::fail_nccl(valley_nccl_code, "", #expression, __FILE__, __LINE__); \
  } while (false)
