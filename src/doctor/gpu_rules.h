// Compatibility of GPUs, driver and build. Pure functions of the given facts.
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
  int peers = 0;       // GPUs whose memory it can access
  int fast_peers = 0;  // those over NVLink
};

struct GpuFacts {
  bool has_device_files = false;  // /dev/nvidia0 or a kernel driver
  std::string kernel_driver;      // "580.65.06"; "": none
  int driver_cuda = 0;            // newest CUDA that the driver supports, 13000 for 13.0; 0: none
  bool hidden = false;            // CUDA_VISIBLE_DEVICES is set and hides all
  std::string error;              // error of the CUDA runtime if it finds no GPUs
  std::vector<Gpu> gpus;
};

struct GpuBuild {
  bool has_cuda = false;
  int runtime = 0;                         // version of the loaded CUDA: 13000
  std::vector<std::string> architectures;  // as CMake names them: "90", "90-real", "100-virtual"
};

// Minimum driver version for CUDA `runtime`: "580" for 13.x; "": unknown.
[[nodiscard]] std::string min_driver_version(int runtime);

// True if code for one of `architectures` runs on a GPU of this compute capability: binary code
// with the same major and at most the same minor version, or PTX of at most this capability.
[[nodiscard]] bool architecture_runs(const std::vector<std::string>& architectures, int major,
                                     int minor);

void judge_gpus(const GpuFacts& facts, const GpuBuild& build, const Notes& notes);

}  // namespace valley::doctor
