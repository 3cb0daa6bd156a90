#include "comm/host_gpus.h"

#include <cctype>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>

namespace valley {
namespace {

bool is_gpu(const std::string& name) {
  constexpr std::string_view kPrefix = "nvidia";
  return name.size() > kPrefix.size() && name.starts_with(kPrefix) &&
         std::isdigit(static_cast<unsigned char>(name[kPrefix.size()])) != 0;
}

}  // namespace

bool host_offers_gpus(const std::filesystem::path& devices) {
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  if (visible != nullptr && (*visible == '\0' || std::string_view(visible) == "-1")) return false;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(devices, ignored)) {
    if (is_gpu(entry.path().filename().string())) return true;
  }
  return false;
}

}  // namespace valley
