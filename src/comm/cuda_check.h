// CHECK_CUDA(call), CHECK_NCCL(call): throw an Error with the expression, its place, the rank and
// the library's own words. For .cpp files of the CUDA build.
#pragma once

namespace valley {

// `code` is a cudaError_t: kOutOfMemory for that, kInternal otherwise.
[[noreturn]] void fail_cuda(int code, const char* expression, const char* file, int line);
// `code` is a ncclResult_t: kInternal where the call itself was wrong, kRankLost otherwise.
// `detail` is ncclGetLastError's text, or "".
[[noreturn]] void fail_nccl(int code, const char* detail, const char* expression, const char* file,
                            int line);

}  // namespace valley

#define CHECK_CUDA(expression)                                                \
  do {                                                                        \
    const int valley_cuda_code = (expression);                                \
    if (valley_cuda_code != 0)                                                \
      ::valley::fail_cuda(valley_cuda_code, #expression, __FILE__, __LINE__); \
  } while (false)

#define CHECK_NCCL(expression)                                                    \
  do {                                                                            \
    const int valley_nccl_code = (expression);                                    \
    if (valley_nccl_code != 0)                                                    \
      ::valley::fail_nccl(valley_nccl_code, "", #expression, __FILE__, __LINE__); \
  } while (false)
