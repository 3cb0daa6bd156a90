#include "plan/peak_rate.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "comm/backend.h"
#include "plan/matrix_speed.h"
#include "plan/run_plan.h"

namespace valley {
namespace {

// TFLOP/s without sparsity; where a data sheet gives rates with sparsity only, half of them.
// 0: without such tensor cores.
struct Gpu {
  const char* words;  // all of them are words of the device's name
  double fp32, tf32, bf16;
};

// NVIDIA's data sheets: V100 (2020), T4 (2019), A100 (2021), A30 and A10 (2021), A40 (2020), L4,
// L40 and L40S (2023), H100 (2023), H200 and H200 NVL (2024), GH200 (2024), HGX B200 (2024, an
// eighth of the system); RTX 3090 and A6000: GA102 whitepaper (2021), RTX 4090: Ada whitepaper
// (2022), with accumulation in fp32. The first entry that matches counts.
constexpr std::array kGpus = {
    Gpu{"B200", 75, 1125, 2250},
    Gpu{"GH200", 67, 494.5, 989.5},
    Gpu{"H200 NVL", 60, 417.5, 835.5},
    Gpu{"H200", 67, 494.5, 989.5},
    Gpu{"H100 PCIe", 51, 378, 756.5},
    Gpu{"H100 NVL", 60, 417.5, 835.5},
    Gpu{"H100", 67, 494.5, 989.5},
    Gpu{"A100", 19.5, 156, 312},
    Gpu{"L40S", 91.6, 183, 362},
    Gpu{"L40", 90.5, 90.5, 181},
    Gpu{"L4", 30.3, 60, 121},
    Gpu{"A40", 37.4, 74.8, 149.7},
    Gpu{"A30", 10.3, 82, 165},
    Gpu{"A10", 31.2, 62.5, 125},
    Gpu{"RTX A6000", 38.7, 77.4, 154.8},
    Gpu{"RTX 4090", 82.6, 82.6, 165.2},
    Gpu{"RTX 3090", 35.6, 35.6, 71},
    Gpu{"V100S", 16.4, 0, 0},
    Gpu{"V100 SXM2", 15.7, 0, 0},
    Gpu{"V100 PCIE", 14, 0, 0},
    Gpu{"T4", 8.1, 0, 0},
};

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(" -"), text.size());
    if (end > 0) words.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

bool has_word(const std::vector<std::string_view>& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

}  // namespace

std::optional<double> published_peak(const std::string& name, TrainingPrecision precision) {
  constexpr double kTera = 1e12;
  const std::vector<std::string_view> words = words_of(name);
  if (has_word(words, "MIG")) return std::nullopt;
  for (const Gpu& gpu : kGpus) {
    const bool is_it = std::ranges::all_of(
        words_of(gpu.words), [&](std::string_view word) { return has_word(words, word); });
    if (!is_it) continue;
    // Without TF32 tensor cores, "tf32" multiplies in fp32.
    const double rate = precision == TrainingPrecision::kBf16                   ? gpu.bf16
                        : precision == TrainingPrecision::kTf32 && gpu.tf32 > 0 ? gpu.tf32
                                                                                : gpu.fp32;
    return rate > 0 ? std::optional(kTera * rate) : std::nullopt;
  }
  return std::nullopt;
}

std::optional<PeakRate> peak_rate(const Experiment& experiment, at::Device device, double seconds) {
  if (device.is_cpu())
    return PeakRate{quick_matrix_speed(experiment.compute().type, seconds), false};
  const auto known = published_peak(gpu_name(device.index()), precision_on(experiment, device));
  return known ? std::optional(PeakRate{*known, true}) : std::nullopt;
}

}  // namespace valley
