// What GPUs, driver and build say of each other. Pure: the facts come in.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "doctor/finding.h"

namespace valley::doctor {

struct Gpu {
  std::string name;
  int major = 0;  // compute capability
  int minor = 0;
  std::int64_t total_bytes = 0;
  std::int64_t free_bytes = 0;
  bool has_ecc = false;
  int peers = 0;       // GPUs whose memory it can reach
  int fast_peers = 0;  // of them over NVLink
};

struct GpuFacts {
  bool has_device_files = false;  // /dev/nvidia0 or the kernel's driver
  std::string kernel_driver;      // "580.65.06"; "": none
  int driver_cuda = 0;            // newest CUDA that the driver runs, 13000 for 13.0; 0: no driver
  bool hidden = false;            // CUDA_VISIBLE_DEVICES is set and shows none
  std::string error;              // of the CUDA runtime, when there should be GPUs and are none
  std::vector<Gpu> gpus;
};

struct GpuBuild {
  bool has_cuda = false;
  int runtime = 0;                         // of the CUDA that is loaded: 13000
  std::vector<std::string> architectures;  // as CMake names them: "90", "90-real", "100-virtual"
};

// The oldest driver that runs programs of CUDA `runtime`: "580" for 13.x; "": not known.
[[nodiscard]] std::string oldest_driver(int runtime);

// Whether the build's code runs on a GPU of this capability: binary code of the same major and at
// most its minor, or PTX of at most its capability.
[[nodiscard]] bool architecture_runs(const std::vector<std::string>& architectures, int major,
                                     int minor);

void judge_gpus(const GpuFacts& facts, const GpuBuild& build, const Notes& notes);

}  // namespace valley::doctor
