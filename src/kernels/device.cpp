#include "kernels/device.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <fmt/core.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <torch/headeronly/version.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "core/log.h"
#include "kernels/openmp_threads.h"

namespace valley {
namespace {

constexpr std::int64_t kKibibyte = 1024;

// Peak resident memory of this program. getrusage would include the process that it was forked
// from.
std::int64_t peak_resident() {
  constexpr std::string_view kField = "VmHWM:";
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(kField)) return std::atoll(line.c_str() + kField.size()) * kKibibyte;
  }
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * kKibibyte;
}

DeviceMemory host_memory() {
  struct sysinfo host {};
  ::sysinfo(&host);
  const auto unit = static_cast<std::int64_t>(host.mem_unit);
  return {static_cast<std::int64_t>(host.totalram) * unit,
          static_cast<std::int64_t>(host.freeram + host.bufferram) * unit, peak_resident()};
}

// First number of OMP_NUM_THREADS: "4", or "4,2" with one number per nesting level.
std::optional<int> requested_threads() {
  const char* text = std::getenv("OMP_NUM_THREADS");
  if (text == nullptr) return std::nullopt;
  int number = 0;
  const char* end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, number);
  if (error != std::errc() || (stop != end && *stop != ',') || number < 1) return std::nullopt;
  return number;
}

struct Cores {
  int count;   // cores that this process may run on
  bool bound;  // true if they are not all of the host's
};

// With a launcher that binds ranks, each has its own cores; otherwise all ranks share the host's.
Cores cores_of_process() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  const int host_cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  const int places = cpus_of_places();
  const int count = places > 0                                              ? places
                    : ::sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed)
                                                                            : host_cores;
  return {count, count < static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN))};
}

}  // namespace

DeviceMemory device_memory(at::Device device) {
  return device.is_cuda() ? cuda_memory(device) : host_memory();
}

void synchronize(at::Device device) {
  if (device.is_cuda()) cuda_synchronize();
}

int set_arithmetic(const Arithmetic& arithmetic) {
  at::Context& context = at::globalContext();
  const bool tf32 = arithmetic.precision == Precision::kTf32;
  context.setAllowTF32CuBLAS(tf32);
  context.setAllowTF32CuDNN(tf32);
  context.setBenchmarkCuDNN(!arithmetic.reproducible);
  context.setDeterministicCuDNN(arithmetic.reproducible);
  context.setDeterministicAlgorithms(arithmetic.reproducible, /*warn_only=*/false);
  // The default of reproducible mode fills each new tensor with NaN.
  context.setDeterministicFillUninitializedMemory(false);
  fix_team_size();
  const GrantedThreads granted = granted_threads(arithmetic.threads);
  if (granted.count < arithmetic.threads)
    log::warn("{} of {} threads are used, because of {}; raise that limit to use all of them",
              granted.count, arithmetic.threads, granted.limit);
  at::set_num_threads(granted.count);
  return granted.count;
}

int threads_for_rank(int local_size) {
  if (const auto asked = requested_threads()) return *asked;
  const Cores cores = cores_of_process();
  return std::max(1, cores.bound ? cores.count : cores.count / std::max(1, local_size));
}

int spare_cores(int local_size, int threads) {
  const Cores cores = cores_of_process();
  return std::max(0, cores.count - (cores.bound ? 1 : std::max(1, local_size)) * threads);
}

std::string device_versions() {
  return fmt::format("LibTorch {}.{}.{}, {}", TORCH_VERSION_MAJOR, TORCH_VERSION_MINOR,
                     TORCH_VERSION_PATCH, cuda_versions());
}

}  // namespace valley
