#include "doctor/gpu_rules.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "core/text.h"
#include "doctor/system_text.h"
#include "doctor/version_rules.h"

namespace valley::doctor {
namespace {

void judge_gpu(const Gpu& gpu, std::size_t index, const GpuBuild& build, const Notes& notes) {
  const std::string name = fmt::format("GPU {}", index);
  const std::string value =
      fmt::format("{}, compute capability {}.{}, {} of {} free{}", gpu.name, gpu.major, gpu.minor,
                  bytes_text(static_cast<double>(gpu.free_bytes)),
                  bytes_text(static_cast<double>(gpu.total_bytes)), gpu.has_ecc ? ", ECC" : "");
  const Metrics metrics{{"compute_capability", gpu.major + gpu.minor / 10.0},
                        {"free_bytes", static_cast<double>(gpu.free_bytes)},
                        {"total_bytes", static_cast<double>(gpu.total_bytes)}};
  if (!architecture_runs(build.architectures, gpu.major, gpu.minor)) {
    notes.fail(ExitCode::kConfig, name, value,
               fmt::format("this build has code for {}: build with "
                           "-DCMAKE_CUDA_ARCHITECTURES={}{}",
                           fmt::join(build.architectures, ", "), gpu.major, gpu.minor),
               metrics);
  } else if (gpu.free_bytes < gpu.total_bytes / 2) {
    notes.warn(name, value, "another program uses its memory: see nvidia-smi", metrics);
  } else {
    notes.ok(name, value, metrics);
  }
}

void judge_links(const std::vector<Gpu>& gpus, const Notes& notes) {
  const int others = static_cast<int>(gpus.size()) - 1;
  if (others < 1) return;
  const auto all = [&](int Gpu::*count) {
    return std::all_of(gpus.begin(), gpus.end(),
                       [&](const Gpu& gpu) { return gpu.*count == others; });
  };
  if (all(&Gpu::fast_peers)) {
    notes.ok("links", "each GPU reaches every other over NVLink");
  } else if (all(&Gpu::peers)) {
    notes.ok("links", "each GPU reaches every other, some of them over PCIe only");
  } else {
    notes.warn("links", "some GPUs do not reach each other's memory",
               "gradients are copied through host memory: see `nvidia-smi topo -m`");
  }
}

// The driver library's own answer comes first: a compatibility package lets an old kernel driver
// run newer CUDA.
bool driver_runs(const GpuFacts& facts, const GpuBuild& build) {
  if (facts.driver_cuda != 0) return facts.driver_cuda / 1000 >= build.runtime / 1000;
  const std::string min_version = min_driver_version(build.runtime);
  return min_version.empty() || facts.kernel_driver.empty() ||
         compare_versions(facts.kernel_driver, min_version) >= 0;
}

std::string driver_text(const GpuFacts& facts) {
  const std::string kernel =
      facts.kernel_driver.empty() ? "of unknown version" : facts.kernel_driver;
  return facts.driver_cuda == 0
             ? kernel
             : fmt::format("{}, runs CUDA up to {}", kernel, cuda_version_text(facts.driver_cuda));
}

}  // namespace

std::string min_driver_version(int runtime) {
  switch (runtime / 1000) {
    case 11:
      return "450";
    case 12:
      return "525";
    case 13:
      return "580";
    default:
      return "";
  }
}

bool architecture_runs(const std::vector<std::string>& architectures, int major, int minor) {
  const int capability = major * 10 + minor;
  return std::any_of(architectures.begin(), architectures.end(), [&](const std::string& entry) {
    int built = 0;
    const char* end = entry.data() + entry.size();
    const char* const suffix = std::from_chars(entry.data(), end, built).ptr;
    const std::string_view rest(suffix, static_cast<std::size_t>(end - suffix));
    if (rest.starts_with('a')) return capability == built;  // for exactly this capability
    const bool has_binary = rest != "-virtual";
    const bool has_ptx = rest != "-real";
    return (has_binary && built / 10 == major && built <= capability) ||
           (has_ptx && built <= capability);
  });
}

void judge_gpus(const GpuFacts& facts, const GpuBuild& build, const Notes& notes) {
  const bool has_hardware = facts.has_device_files || !facts.kernel_driver.empty();
  if (!build.has_cuda) {
    if (has_hardware) {
      notes.warn(
          "GPUs", "this host has an NVIDIA GPU, but this build of valley has no CUDA",
          "training runs on CPUs; for GPUs build with -DVALLEY_CUDA=ON where nvcc is installed");
    } else {
      notes.ok("GPUs", "none, and a build without CUDA: training runs on CPUs", {{"count", 0}});
    }
    return;
  }
  if (!has_hardware && facts.gpus.empty()) {
    notes.ok("GPUs", "none, and no driver: training runs on CPUs", {{"count", 0}});
    return;
  }
  if (!driver_runs(facts, build)) {
    notes.fail(ExitCode::kConfig, "driver", driver_text(facts),
               fmt::format("this build's CUDA {} needs driver {} or newer: update it, or build "
                           "against a LibTorch for an older CUDA; on CPUs: train.device=cpu",
                           cuda_version_text(build.runtime), min_driver_version(build.runtime)));
    return;
  }
  if (facts.gpus.empty() && facts.hidden) {
    notes.warn("GPUs", "CUDA_VISIBLE_DEVICES shows none of them: training runs on CPUs",
               "unset it to use them");
    return;
  }
  if (facts.gpus.empty()) {
    notes.fail(ExitCode::kConfig, "GPUs",
               fmt::format("there is a driver ({}), but no GPU can be used{}", driver_text(facts),
                           facts.error.empty() ? "" : ": " + facts.error),
               "see `nvidia-smi`, CUDA_VISIBLE_DEVICES and the permissions of /dev/nvidia*; on "
               "CPUs: train.device=cpu");
    return;
  }
  notes.ok("driver", driver_text(facts), {{"gpus", static_cast<double>(facts.gpus.size())}});
  for (std::size_t i = 0; i < facts.gpus.size(); ++i) judge_gpu(facts.gpus[i], i, build, notes);
  judge_links(facts.gpus, notes);
}

}  // namespace valley::doctor
