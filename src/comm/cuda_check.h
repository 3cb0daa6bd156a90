// CHECK_CUDA(call): throws an Error with the expression, its place, the rank and CUDA's own words.
// For .cpp files of the CUDA build.
#pragma once

#include <string_view>

namespace valley {

// A path of __FILE__ without its folders.
[[nodiscard]] inline std::string_view file_name(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

// `code` is a cudaError_t: c10::OutOfMemoryError for that one, else an Error (kInternal).
[[noreturn]] void fail_cuda(int code, const char* expression, const char* file, int line);

}  // namespace valley

#define CHECK_CUDA(expression)                                                \
  do {                                                                        \
    const int valley_cuda_code = (expression);                                \
    if (valley_cuda_code != 0)                                                \
      ::valley::fail_cuda(valley_cuda_code, #expression, __FILE__, __LINE__); \
  } while (false)
