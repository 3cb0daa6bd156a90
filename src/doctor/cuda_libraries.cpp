#include <ATen/Version.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <cuda_runtime_api.h>
#include <nccl.h>

#include <cstdlib>
#include <string_view>

#include "core/text.h"
#include "doctor/checks.h"
#include "doctor/gpu_facts.h"
#include "doctor/program.h"
#include "doctor/version_rules.h"
#include "kernels/gpu_module.h"

namespace valley::doctor {
namespace {

// 91900 is "9.19.0"; before version 9, 8907 is "8.9.7".
std::string cudnn_text(long version) {
  const long major = version >= 90000 ? version / 10000 : version / 1000;
  const long rest = version >= 90000 ? version % 10000 : version % 1000;
  return fmt::format("{}.{}.{}", major, rest / 100, rest % 100);
}

int runtime_version() {
  int version = 0;
  return cudaRuntimeGetVersion(&version) == cudaSuccess ? version : 0;
}

Gpu describe_gpu(int index, int count) {
  cudaDeviceProp properties{};
  Gpu gpu;
  if (cudaGetDeviceProperties(&properties, index) != cudaSuccess) return gpu;
  gpu.name = properties.name;
  gpu.major = properties.major;
  gpu.minor = properties.minor;
  gpu.has_ecc = properties.ECCEnabled != 0;
  std::size_t free = 0;
  std::size_t total = properties.totalGlobalMem;
  if (cudaSetDevice(index) == cudaSuccess) cudaMemGetInfo(&free, &total);
  gpu.free_bytes = static_cast<std::int64_t>(free);
  gpu.total_bytes = static_cast<std::int64_t>(total);
  for (int other = 0; other < count; ++other) {
    int reaches = 0;
    int has_atomics = 0;  // native on NVLink, not on PCIe
    if (other == index || cudaDeviceCanAccessPeer(&reaches, index, other) != cudaSuccess) continue;
    cudaDeviceGetP2PAttribute(&has_atomics, cudaDevP2PAttrNativeAtomicSupported, index, other);
    gpu.peers += reaches;
    gpu.fast_peers += reaches != 0 && has_atomics != 0 ? 1 : 0;
  }
  return gpu;
}

}  // namespace

bool load_cuda_libraries(const Notes& notes) {
  try {
    static_cast<void>(gpu_functions());
    return true;
  } catch (const Error& error) {
    notes.fail(error.code(), "GPU module", error.what(),
               "build or install the program again, or install the library that the message names");
    return false;
  }
}

void check_cuda_libraries(const Notes& notes) {
  judge_library(notes, {"CUDA runtime", "cuda_runtime", cuda_version_text(CUDART_VERSION),
                        cuda_version_text(runtime_version()), 1});
  judge_library(notes, {"cuDNN", "cudnn", libtorch_setting(at::show_config(), "CUDNN_VERSION"),
                        cudnn_text(at::detail::getCUDAHooks().versionRuntimeCuDNN()), 1});
  judge_library(notes, {"NCCL", "nccl", nccl_version_text(NCCL_VERSION_CODE),
                        nccl_version_text(gpu_functions().nccl_version()), 2});
}

void add_cuda_facts(GpuFacts& facts) {
  if (cudaDriverGetVersion(&facts.driver_cuda) != cudaSuccess) facts.driver_cuda = 0;
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess) {
    const char* shown = std::getenv("CUDA_VISIBLE_DEVICES");
    facts.hidden = error == cudaErrorNoDevice && shown != nullptr &&
                   (*shown == '\0' || std::string_view(shown).starts_with("-"));
    facts.error = fmt::format("{} ({})", cudaGetErrorString(error), cudaGetErrorName(error));
    return;
  }
  for (int index = 0; index < count; ++index) facts.gpus.push_back(describe_gpu(index, count));
}

GpuBuild gpu_build() { return {true, runtime_version(), this_program().architectures}; }

}  // namespace valley::doctor
