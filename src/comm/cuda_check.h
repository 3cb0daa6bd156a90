// CHECK_CUDA(call): throws an Error with the expression, file and line, the rank and CUDA's
// message. For .cpp files of the CUDA build.
#pragma once

#include <string_view>

namespace valley {

// File name of a path.
[[nodiscard]] inline std::string_view file_name(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

// `code` is a cudaError_t. Throws c10::OutOfMemoryError if memory ran out, else Error (kInternal).
[[noreturn]] void fail_cuda(int code, const char* expression, const char* file, int line);

}  // namespace valley

#define CHECK_CUDA(expression)                                                \
  do {                                                                        \
    const int valley_cuda_code = (expression);                                \
    if (valley_cuda_code != 0)                                                \
      ::valley::fail_cuda(valley_cuda_code, #expression, __FILE__, __LINE__); \
  } while (false)
