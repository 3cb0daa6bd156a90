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

// The resident memory of this program at its most. What getrusage says also counts the process that
// it was forked from.
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
  struct sysinfo machine {};
  ::sysinfo(&machine);
  const auto unit = static_cast<std::int64_t>(machine.mem_unit);
  return {static_cast<std::int64_t>(machine.totalram) * unit,
          static_cast<std::int64_t>(machine.freeram + machine.bufferram) * unit, peak_resident()};
}

// Of "4", and of "4,2" (a number a nesting level) the first.
std::optional<int> asked_for_threads() {
  const char* text = std::getenv("OMP_NUM_THREADS");
  if (text == nullptr) return std::nullopt;
  int number = 0;
  const char* end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, number);
  if (error != std::errc() || (stop != end && *stop != ',') || number < 1) return std::nullopt;
  return number;
}

struct Cores {
  int count;   // that this process may run on
  bool bound;  // to some of the machine's
};

// A launcher that binds gives each rank cores of its own; one that does not leaves all of them to
// everyone.
Cores cores_of_process() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  const int machine = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  const int places = cpus_of_places();
  const int count = places > 0                                              ? places
                    : ::sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed)
                                                                            : machine;
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
  // Else each new tensor is filled with NaN first, in reproducible mode alone.
  context.setDeterministicFillUninitializedMemory(false);
  fix_team_size();
  const GrantedThreads granted = granted_threads(arithmetic.threads);
  if (granted.count < arithmetic.threads)
    log::warn("{} of {} threads are used: {} allows no more; raise that limit for more speed",
              granted.count, arithmetic.threads, granted.limit);
  at::set_num_threads(granted.count);
  return granted.count;
}

int threads_for_rank(int local_size) {
  if (const auto asked = asked_for_threads()) return *asked;
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
