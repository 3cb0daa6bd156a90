#include "comm/world.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <utility>

#include "comm/backend.h"
#include "comm/device_assignment.h"
#include "comm/mpi_communicator.h"
#include "comm/mpi_session.h"
#include "comm/recorded_communicator.h"
#include "comm/self_communicator.h"
#include "core/error.h"
#include "core/log.h"
#include "core/text.h"

namespace valley {
namespace {

at::Tensor bytes_tensor(const std::string& text, std::int64_t length) {
  at::Tensor bytes = at::zeros({length}, at::kByte);
  std::memcpy(bytes.mutable_data_ptr(), text.data(), text.size());
  return bytes;
}

at::Tensor length_tensor(const std::string& text) {
  at::Tensor length = at::empty({1}, at::kLong);
  *length.mutable_data_ptr<std::int64_t>() = static_cast<std::int64_t>(text.size());
  return length;
}

const char* name_of(DeviceChoice choice) {
  switch (choice) {
    case DeviceChoice::kCpu:
      return "cpu";
    case DeviceChoice::kCuda:
      return "cuda";
    default:
      return "auto";
  }
}

// Tasks that srun starts without a process manager cannot find each other: each would train alone,
// in the same directory.
void refuse_lone_tasks(const LaunchInfo& launch) {
  const char* tasks = std::getenv("SLURM_STEP_NUM_TASKS");
  if (launch.launched || tasks == nullptr || std::atoi(tasks) < 2) return;
  throw Error(ExitCode::kConfig,
              "srun started {} tasks but gave them no way to find each other; start with `srun "
              "--mpi=pmix` (`srun --mpi=list` lists the interfaces), or with mpirun",
              tasks);
}

RankDevices own_devices(DeviceChoice choice, bool shares_gpus) {
  RankDevices mine{host_name(), built_with_cuda(), shares_gpus, {}, {}};
  if (choice == DeviceChoice::kCpu) return mine;
  mine.gpus = visible_gpus();
  mine.obstacle = gpu_obstacle();
  return mine;
}

class JoinedWorld final : public World {
 public:
  JoinedWorld(DeviceChoice choice, std::chrono::seconds timeout) {
    const LaunchInfo launch = launch_info();
    log::set_rank(launch.rank, launch.size);
    refuse_lone_tasks(launch);
    if (launch.launched) {
      session_ = std::make_unique<MpiSession>(launch);
      host_ = record_calls(make_mpi_communicator(), 0);
    } else {
      host_ = record_calls(make_self_communicator(at::kCPU), 0);
    }
    join_devices(choice, timeout);
  }

  Communicator& host() override { return *host_; }
  Communicator& device() override { return device_ ? *device_ : *host_; }

 private:
  void join_devices(DeviceChoice choice, std::chrono::seconds timeout) {
    require_equal("the choice of device", name_of(choice));
    const RankDevices mine =
        own_devices(choice, asked_to_share_gpus(std::getenv("VALLEY_SHARE_GPU")));
    std::vector<RankDevices> ranks;
    for (const std::string& text : gather(mine.to_text())) {
      ranks.push_back(RankDevices::from_text(text));
    }
    const std::vector<int> gpus = assign_gpus(choice, ranks);
    if (!gpus.empty()) {
      const int gpu = gpus[static_cast<std::size_t>(rank())];
      use_gpu(gpu);
      share_gpu(nccl_host_id(ranks, gpus, rank()));
      device_ = record_calls(size() > 1 ? make_gpu_communicator(*host_, gpu, timeout)
                                        : make_self_communicator(at::Device(
                                              at::kCUDA, static_cast<c10::DeviceIndex>(gpu))),
                             1);
    }
    describe(ranks, gpus);
  }

  // Before the first call of NCCL, which reads this once.
  void share_gpu(const std::string& host_id) {
    if (host_id.empty()) return;
    ::setenv("NCCL_HOSTID", host_id.c_str(), 1);
    if (rank() == 0) {
      log::warn(
          "VALLEY_SHARE_GPU=1: ranks share GPUs and communicate over sockets; use this for "
          "functional "
          "tests only: it is slow");
    }
  }

  void describe(const std::vector<RankDevices>& ranks, const std::vector<int>& gpus) {
    std::set<std::string> hosts;
    for (const RankDevices& r : ranks) hosts.insert(r.host);
    const std::string who =
        plural(size(), "rank") + " on " + plural(static_cast<std::int64_t>(hosts.size()), "host");
    const std::string control = session_ ? ", " + MpiSession::library() : "";
    if (gpus.empty()) {
      log::info("{}: CPU{}", who, control);
      return;
    }
    const std::string collectives = size() > 1 ? ", " + gpu_collectives() : "";
    log::info("{}: {}{}{}", who, gpu_name(gpus[0]), collectives, control);
    const std::size_t seen = ranks[0].gpus.size();
    if (size() == 1 && seen > 1) {
      log::info("using 1 of {} GPUs; for all: mpirun -n {} valley train ...", seen, seen);
    }
  }

  std::unique_ptr<MpiSession> session_;
  std::unique_ptr<Communicator> host_;
  std::unique_ptr<Communicator> device_;
};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::size_t start = 0;
  while (start <= text.size()) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    lines.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return lines;
}

std::string excerpt(const std::vector<std::string>& lines, std::size_t line) {
  constexpr std::size_t kLongest = 80;
  if (line >= lines.size()) return "nothing";
  if (lines[line].size() <= kLongest) return "`" + lines[line] + "`";
  return fmt::format("`{}...`", lines[line].substr(0, kLongest));
}

// "rank 2", "ranks 0, 1, 3", "ranks 0, 1, 2, 3, 4, 5, 6, 7 and 56 more"
std::string rank_list(const std::vector<int>& ranks) {
  std::vector<std::string> names;
  for (const int rank : ranks) names.push_back(std::to_string(rank));
  return fmt::format("rank{} {}", ranks.size() == 1 ? "" : "s", join_up_to(8, names));
}

// "first difference in line 3: `a` there, `b` on rank 2"
std::string first_difference(const std::string& common, const std::string& other, int odd_rank) {
  const std::vector<std::string> a = lines_of(common);
  const std::vector<std::string> b = lines_of(other);
  std::size_t line = 0;
  while (line < a.size() && line < b.size() && a[line] == b[line]) ++line;
  return fmt::format("first difference in line {}: {} there, {} on rank {}", line + 1,
                     excerpt(a, line), excerpt(b, line), odd_rank);
}

}  // namespace

at::Device take_device(DeviceChoice choice) {
  const std::vector<int> gpus = assign_gpus(choice, {own_devices(choice, false)});
  if (gpus.empty()) return at::kCPU;
  use_gpu(gpus[0]);
  return {at::kCUDA, static_cast<c10::DeviceIndex>(gpus[0])};
}

std::unique_ptr<World> World::join(DeviceChoice choice, std::chrono::seconds timeout) {
  return std::make_unique<JoinedWorld>(choice, timeout);
}

std::vector<std::string> World::gather(const std::string& text) {
  Communicator& comm = host();
  const at::Tensor length = length_tensor(text);
  const at::Tensor lengths = at::empty({comm.size(), 1}, at::kLong);
  comm.all_gather(length, lengths)->wait();
  const auto* count = lengths.const_data_ptr<std::int64_t>();

  const std::int64_t longest = *std::max_element(count, count + comm.size());
  const at::Tensor all = at::empty({comm.size(), longest}, at::kByte);
  comm.all_gather(bytes_tensor(text, longest), all)->wait();
  std::vector<std::string> texts;
  for (int r = 0; r < comm.size(); ++r) {
    texts.emplace_back(static_cast<const char*>(all.const_data_ptr()) + r * longest,
                       static_cast<std::size_t>(count[r]));
  }
  return texts;
}

std::string World::broadcast(const std::string& text, int root) {
  Communicator& comm = host();
  const at::Tensor length = length_tensor(text);
  comm.broadcast(length, root)->wait();
  const std::int64_t size = *length.const_data_ptr<std::int64_t>();
  const at::Tensor bytes =
      comm.rank() == root ? bytes_tensor(text, size) : at::zeros({size}, at::kByte);
  comm.broadcast(bytes, root)->wait();
  return {static_cast<const char*>(bytes.const_data_ptr()), static_cast<std::size_t>(size)};
}

void World::require_equal(const std::string& what, const std::string& text) {
  const std::vector<std::string> texts = gather(text);
  std::map<std::string, std::vector<int>> holders;
  for (int r = 0; r < size(); ++r) holders[texts[static_cast<std::size_t>(r)]].push_back(r);
  if (holders.size() == 1) return;

  // The most common text is the reference; in a tie, that of rank 0.
  const std::string* common = &texts[0];
  for (const auto& [candidate, ranks] : holders) {
    if (ranks.size() > holders[*common].size()) common = &candidate;
  }
  std::vector<int> odd;
  for (int r = 0; r < size(); ++r) {
    if (texts[static_cast<std::size_t>(r)] != *common) odd.push_back(r);
  }
  throw Error(
      ExitCode::kConfig,
      "{} differs between the ranks: {} {} not have what {} {}; {}. Start all ranks with the "
      "same program, files and options",
      what, rank_list(odd), odd.size() == 1 ? "does" : "do", rank_list(holders[*common]),
      holders[*common].size() == 1 ? "has" : "have",
      first_difference(*common, texts[static_cast<std::size_t>(odd[0])], odd[0]));
}

}  // namespace valley
