#include <fmt/core.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "comm/world.h"

namespace valley {
namespace {

std::optional<int> number(const Environment& variable, const char* name) {
  const char* text = variable(name);
  if (text == nullptr) return std::nullopt;
  int value = 0;
  const char* end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, value);
  if (error != std::errc() || stop != end || value < 0) return std::nullopt;
  return value;
}

std::optional<LaunchInfo> pair(std::optional<int> rank, std::optional<int> size) {
  if (!rank || !size || *size < 1 || *rank >= *size) return std::nullopt;
  return LaunchInfo{*rank, *size, true};
}

}  // namespace

LaunchInfo launch_info(const Environment& variable) {
  const auto get = [&](const char* name) { return number(variable, name); };
  if (const auto info = pair(get("OMPI_COMM_WORLD_RANK"), get("OMPI_COMM_WORLD_SIZE"))) {
    return *info;
  }
  if (const auto info = pair(get("PMI_RANK"), get("PMI_SIZE"))) return *info;

  // Slurm's variables are also set without MPI, in batch scripts and in shells on compute nodes.
  // Only with those of a process manager are there other ranks.
  const std::optional<int> pmix_rank = get("PMIX_RANK");
  if (!pmix_rank && !get("PMI_RANK") && variable("PMI_FD") == nullptr) return {};
  const std::optional<int> rank = pmix_rank ? pmix_rank : get("SLURM_PROCID");
  if (const auto info = pair(rank, get("SLURM_STEP_NUM_TASKS"))) return *info;
  if (const auto info = pair(rank, get("SLURM_NTASKS"))) return *info;
  return {};
}

LaunchInfo launch_info() {
  return launch_info([](const char* name) { return std::getenv(name); });
}

std::string host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "unknown";
  return name.data();
}

std::string this_rank() {
  return fmt::format("rank {} on host {}", launch_info().rank, host_name());
}

}  // namespace valley
