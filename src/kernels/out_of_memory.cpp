#include "kernels/out_of_memory.h"

#include <c10/util/Exception.h>

#include <new>

#include "core/text.h"

namespace valley {

std::optional<std::string> out_of_memory_text(const std::exception& error) {
  if (const auto* gpu = dynamic_cast<const c10::OutOfMemoryError*>(&error))
    return "out of GPU memory: " + first_line(gpu->what_without_backtrace());
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) return "out of memory";
  const auto* torch = dynamic_cast<const c10::Error*>(&error);
  if (torch == nullptr) return std::nullopt;
  const std::string what = torch->what_without_backtrace();
  // Errors of CUDA and its libraries can be recognized only by their text.
  for (const char* text :
       {"CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED",
        "DEVICE_ALLOCATION_FAILED", "CURAND_STATUS_ALLOCATION_FAILED"}) {
    if (what.find(text) != std::string::npos) return "out of GPU memory: " + first_line(what);
  }
  // LibTorch's host allocator throws a plain c10::Error.
  const std::size_t at = what.find("can't allocate memory");
  if (at == std::string::npos) return std::nullopt;
  return "out of memory: " + first_line(what.substr(at));
}

}  // namespace valley
