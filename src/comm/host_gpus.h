// GPUs of the host, visible to the process or not.
#pragma once

#include <filesystem>

namespace valley {

// True when the host has an NVIDIA GPU (`devices`/nvidia0 and so on) and CUDA_VISIBLE_DEVICES does
// not hide all of them.
[[nodiscard]] bool host_offers_gpus(const std::filesystem::path& devices = "/dev");

}  // namespace valley
