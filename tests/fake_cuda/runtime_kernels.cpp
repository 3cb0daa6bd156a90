// Functions of the CUDA runtime for kernels. Runtime functions that no runtime_*.cpp defines return
// cudaErrorNotSupported (not_supported.cpp).
#include <cxxabi.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "counters.h"
#include "kernel_table.h"
#include "runtime_state.h"
#include "settings.h"

using namespace valley::fake;

namespace {

struct LaunchShape {
  dim3 grid, block;
  std::size_t shared;
  cudaStream_t stream;
};
thread_local std::vector<LaunchShape> launch_shapes;  // <<<...>>> before the arguments are there

std::mutex names_mutex;
std::map<const void*, std::string>& kernel_names() {
  static std::map<const void*, std::string> names;  // by the address of the host's function
  return names;
}

cudaError_t launch(const void* function, dim3 grid, dim3 block, void** arguments,
                   cudaStream_t stream) {
  std::string name;
  {
    const std::lock_guard lock(names_mutex);
    const auto found = kernel_names().find(function);
    if (found == kernel_names().end()) return note(cudaErrorInvalidValue);
    name = found->second;
  }
  if (settings().prints_launches) std::fprintf(stderr, "fake CUDA: launch %s\n", name.c_str());
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> demangled(
      abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status), std::free);
  const std::string whole = status == 0 ? demangled.get() : name;
  Task task = whole.find("valley::") == std::string::npos
                  ? Task()
                  : task_of_kernel(short_name(whole), {grid.x, grid.y, grid.z},
                                   {block.x, block.y, block.z}, arguments);
  if (!task) give_up("a kernel was launched that cannot run here: " + whole);
  const bool fails = fails_now("launch");
  const bool hangs = fails_now("launch-hang");
  count_call("kernel", stream);
  return note(stream_of(stream).add([task = std::move(task), fails, hangs] {
    count_work("kernel");
    if (hangs) hang();
    if (fails) {
      set_sticky_error(cudaErrorIllegalAddress);
    } else {
      task();
    }
  }));
}

}  // namespace

EXPORT void** __cudaRegisterFatBinary(void*) {
  static void* handle;
  return &handle;
}
EXPORT void __cudaRegisterFatBinaryEnd(void**) {}
EXPORT void __cudaUnregisterFatBinary(void**) {}
EXPORT void __cudaRegisterVar(void**, char*, char*, const char*, int, std::size_t, int, int) {}
EXPORT void __cudaRegisterFunction(void**, const char* function, char*, const char* name, int,
                                   void*, void*, void*, void*, int*) {
  const std::lock_guard lock(names_mutex);
  kernel_names()[function] = name;
}
EXPORT char __cudaInitModule(void**) { return 1; }
EXPORT cudaError_t __cudaGetKernel(void** kernel, const void* function) {
  *kernel = const_cast<void*>(function);
  return note(cudaSuccess);
}
EXPORT unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, std::size_t shared,
                                            cudaStream_t stream) {
  launch_shapes.push_back({grid, block, shared, stream});
  return 0;
}
EXPORT cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, std::size_t* shared,
                                              void* stream) {
  const LaunchShape shape = launch_shapes.back();
  launch_shapes.pop_back();
  *grid = shape.grid;
  *block = shape.block;
  *shared = shape.shared;
  *static_cast<cudaStream_t*>(stream) = shape.stream;
  return note(cudaSuccess);
}
EXPORT cudaError_t __cudaLaunchKernel(void* kernel, dim3 grid, dim3 block, void** arguments,
                                      std::size_t, cudaStream_t stream) {
  return launch(kernel, grid, block, arguments, stream);
}
EXPORT cudaError_t cudaLaunchKernel(const void* function, dim3 grid, dim3 block, void** arguments,
                                    std::size_t, cudaStream_t stream) {
  return launch(function, grid, block, arguments, stream);
}
EXPORT cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* shape, const void* function,
                                       void** arguments) {
  return launch(function, shape->gridDim, shape->blockDim, arguments, shape->stream);
}
EXPORT cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void*) {
  std::memset(attributes, 0, sizeof *attributes);
  attributes->maxThreadsPerBlock = 1024;
  // Valley's kernels and LibTorch's are for 8.0 and newer.
  if (settings().major < 8) return note(cudaErrorNoKernelImageForDevice);
  attributes->numRegs = 32;
  attributes->binaryVersion = attributes->ptxVersion = 10 * settings().major + settings().minor;
  return note(cudaSuccess);
}
EXPORT cudaError_t cudaFuncSetAttribute(const void*, cudaFuncAttribute, int) {
  return note(cudaSuccess);
}
EXPORT cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, const void*,
                                                                          int, std::size_t,
                                                                          unsigned) {
  *blocks = 2;
  return note(cudaSuccess);
}

EXPORT cudaError_t cudaGetDriverEntryPointByVersion(const char*, void** function, unsigned,
                                                    unsigned long long,
                                                    cudaDriverEntryPointQueryResult* result) {
  *function = nullptr;
  if (result != nullptr) *result = cudaDriverEntryPointSymbolNotFound;
  return note(cudaSuccess);
}
