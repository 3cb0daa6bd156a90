#include <filesystem>

#include "doctor/checks.h"
#include "doctor/gpu_facts.h"
#include "doctor/system_text.h"

namespace valley::doctor {

void check_gpus(const Notes& notes) {
  GpuFacts facts;
  std::error_code ignored;
  facts.has_device_files = std::filesystem::exists("/dev/nvidia0", ignored) ||
                           std::filesystem::exists("/dev/nvidiactl", ignored);
  facts.kernel_driver =
      nvidia_driver_version(read_system_file("/proc/driver/nvidia/version").value_or(""));
  add_cuda_facts(facts);
  if (!facts.kernel_driver.empty()) notes.version("nvidia_driver", facts.kernel_driver);
  judge_gpus(facts, gpu_build(), notes);
}

}  // namespace valley::doctor
