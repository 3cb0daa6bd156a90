#include "kernels/gpu_module.h"

#include <dlfcn.h>

#include "core/error.h"

namespace valley {
namespace {

constexpr const char* kModule = "libvalley_gpu.so";

const GpuFunctions* load_gpu_module() {
  // The loader searches beside the program and in ../lib of an installation.
  void* module = ::dlopen(kModule, RTLD_NOW | RTLD_GLOBAL);
  void* function = module == nullptr ? nullptr : ::dlsym(module, "valley_gpu_functions");
  if (function == nullptr) {
    const char* reason = ::dlerror();
    throw Error(ExitCode::kMissingInput,
                "GPUs cannot be used, because {} cannot be loaded: {}; it is part of Valley and "
                "lies in ../lib of the program or in its build folder. `valley doctor` checks the "
                "libraries that it needs; train.device=cpu does without GPUs",
                kModule, reason == nullptr ? "unknown reason" : reason);
  }
  return reinterpret_cast<decltype(&valley_gpu_functions)>(function)();
}

}  // namespace

const GpuFunctions& gpu_functions() {
  static const GpuFunctions* const functions = load_gpu_module();
  return *functions;
}

}  // namespace valley
