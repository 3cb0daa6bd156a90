#include "comm/device_assignment.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <utility>

#include "core/error.h"

namespace valley {
namespace {

using Ranks = std::vector<RankDevices>;

int ranks_on(const std::string& host, const Ranks& ranks) {
  return static_cast<int>(
      std::count_if(ranks.begin(), ranks.end(), [&](const auto& r) { return r.host == host; }));
}

int gpus_on(const std::string& host, const Ranks& ranks) {
  std::set<std::string> found;
  for (const RankDevices& r : ranks) {
    if (r.host == host) found.insert(r.gpus.begin(), r.gpus.end());
  }
  return static_cast<int>(found.size());
}

[[noreturn]] void refuse_obstacle(const Ranks& ranks, std::size_t rank) {
  throw Error(ExitCode::kConfig,
              "rank {} on host {} cannot use the host's GPU: {}; to compute on CPUs, set "
              "train.device=cpu (--device cpu)",
              rank, ranks[rank].host, ranks[rank].obstacle);
}

[[noreturn]] void refuse_missing(const Ranks& ranks, std::size_t rank, DeviceChoice choice) {
  const RankDevices& poor = ranks[rank];
  if (!poor.built_with_cuda) {
    throw Error(ExitCode::kConfig,
                "GPUs were asked for, but the valley of rank {} on host {} was built without CUDA; "
                "build it where nvcc is (-DVALLEY_CUDA=ON), or set train.device=cpu",
                rank, poor.host);
  }
  const auto rich = std::find_if(ranks.begin(), ranks.end(),
                                 [](const RankDevices& r) { return !r.gpus.empty(); });
  if (choice == DeviceChoice::kAuto && rich != ranks.end()) {
    throw Error(ExitCode::kConfig,
                "rank {} on host {} sees no GPU, but rank {} on host {} does; leave {} out, see "
                "`nvidia-smi` and CUDA_VISIBLE_DEVICES there, or train.device=cpu for all",
                rank, poor.host, rich - ranks.begin(), rich->host, poor.host);
  }
  if (!poor.obstacle.empty()) refuse_obstacle(ranks, rank);
  throw Error(ExitCode::kConfig,
              "GPUs were asked for, but rank {} on host {} sees none; see `nvidia-smi` and "
              "CUDA_VISIBLE_DEVICES there, or set train.device=cpu",
              rank, poor.host);
}

[[noreturn]] void refuse_crowd(const std::string& host, const Ranks& ranks) {
  const int gpus = gpus_on(host, ranks);
  throw Error(ExitCode::kConfig,
              "{} ranks on host {}, which has {} GPU{} for them; start at most {} there (mpirun -n "
              "{}, or --map-by ppr:{}:node on several hosts), or set train.device=cpu; functional "
              "tests may share GPUs: VALLEY_SHARE_GPU=1",
              ranks_on(host, ranks), host, gpus, gpus == 1 ? "" : "s", gpus, gpus, gpus);
}

}  // namespace

std::string RankDevices::to_text() const {
  std::string text = fmt::format("{}\n{}\n{} {}\n", host, obstacle, built_with_cuda, shares_gpus);
  for (const std::string& gpu : gpus) text += gpu + "\n";
  return text;
}

RankDevices RankDevices::from_text(std::string_view text) {
  std::istringstream in{std::string(text)};
  RankDevices found;
  std::getline(in, found.host);
  std::getline(in, found.obstacle);
  in >> std::boolalpha >> found.built_with_cuda >> found.shares_gpus;
  for (std::string gpu; in >> gpu;) found.gpus.push_back(gpu);
  return found;
}

bool asked_to_share_gpus(const char* value) {
  const std::string_view said = value == nullptr ? "" : value;
  if (said.empty() || said == "0") return false;
  if (said == "1") return true;
  throw Error(ExitCode::kConfig,
              "VALLEY_SHARE_GPU is \"{}\"; set it to 1 to let ranks share a GPU, or unset it",
              said);
}

std::vector<int> assign_gpus(DeviceChoice choice, const Ranks& ranks) {
  const auto has_gpu = [](const RankDevices& r) { return !r.gpus.empty(); };
  if (choice == DeviceChoice::kCpu) return {};
  if (choice == DeviceChoice::kAuto && std::none_of(ranks.begin(), ranks.end(), has_gpu)) {
    const auto obstructed = std::find_if(ranks.begin(), ranks.end(),
                                         [](const RankDevices& r) { return !r.obstacle.empty(); });
    if (obstructed == ranks.end()) return {};
    refuse_obstacle(ranks, static_cast<std::size_t>(obstructed - ranks.begin()));
  }

  std::vector<int> chosen;
  std::map<std::string, std::set<std::string>> taken;  // host -> GPUs
  std::map<std::string, std::size_t> seated;           // host -> ranks so far
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    const RankDevices& r = ranks[rank];
    if (!has_gpu(r)) refuse_missing(ranks, rank, choice);
    std::set<std::string>& busy = taken[r.host];
    auto free = std::find_if(r.gpus.begin(), r.gpus.end(),
                             [&](const std::string& gpu) { return !busy.contains(gpu); });
    if (r.shares_gpus) {
      free = r.gpus.begin() + static_cast<std::ptrdiff_t>(seated[r.host] % r.gpus.size());
    }
    if (free == r.gpus.end()) refuse_crowd(r.host, ranks);
    busy.insert(*free);
    ++seated[r.host];
    chosen.push_back(static_cast<int>(free - r.gpus.begin()));
  }
  return chosen;
}

std::string nccl_host_id(const Ranks& ranks, const std::vector<int>& gpus, int rank) {
  std::set<std::pair<std::string, std::string>> taken;  // host and GPU
  for (std::size_t r = 0; r < gpus.size(); ++r)
    taken.emplace(ranks[r].host, ranks[r].gpus[static_cast<std::size_t>(gpus[r])]);
  if (taken.size() == gpus.size()) return "";
  return fmt::format("{}-rank-{}", ranks[static_cast<std::size_t>(rank)].host, rank);
}

}  // namespace valley
