// Joins a job: initializes MPI, assigns GPUs and creates communicators.
//
// Commands that run on several ranks call World::join once, early in main. Without a launcher (no
// mpirun, no srun) the job has one rank and does not use MPI.
//
// During stack unwinding a World does not finalize MPI and NCCL, which would wait for the other
// ranks: `main` catches the exception, prints it once and calls `abort_job`.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "comm/communicator.h"

namespace valley {

enum class DeviceChoice { kAuto, kCpu, kCuda };

// Default limit on the time that a rank waits for others.
inline constexpr std::chrono::seconds kRankTimeout{600};

class World {
 public:
  // Collective. kAuto uses GPUs if the build has CUDA and GPUs are visible. Each rank gets its own
  // GPU, which becomes the calling thread's current device; other threads must set it themselves.
  // Error (kConfig) on every rank for more ranks than GPUs on a host, kCuda without GPUs, a mixture
  // of hosts with and without GPUs, or a launcher of another MPI. With VALLEY_SHARE_GPU=1
  // (functional tests) ranks may share a GPU; sets NCCL_HOSTID if they do. `timeout`: limit on
  // waiting for other ranks in collectives of GPUs.
  static std::unique_ptr<World> join(DeviceChoice choice,
                                     std::chrono::seconds timeout = kRankTimeout);
  virtual ~World() = default;

  [[nodiscard]] virtual Communicator& host() = 0;  // CPU tensors: agreement, gathering, errors
  [[nodiscard]] virtual Communicator&
  device() = 0;  // tensors of `device().device()`: gradients. On CPUs the same object.

  [[nodiscard]] int rank() { return host().rank(); }
  [[nodiscard]] int size() { return host().size(); }

  // Collective. Error (kConfig) on every rank if `text` is not equal on all ranks, naming `what`,
  // the ranks that differ from the most common text and the first line that differs.
  void require_equal(const std::string& what, const std::string& text);
  // Collective: the strings of all ranks, in rank order, on every rank.
  [[nodiscard]] std::vector<std::string> gather(const std::string& text);
  // Collective: the string of rank `root` on every rank.
  [[nodiscard]] std::string broadcast(const std::string& text, int root = 0);
};

// Device of a command that runs on one rank: the first visible GPU, or the CPU.
// Errors as those of World::join.
[[nodiscard]] at::Device take_device(DeviceChoice choice);

// Collective: calls `function` on rank 0 and then on the other ranks. If it throws on rank 0, the
// others do not call it, so that an error is reported once.
template <typename Function>
auto rank_zero_first(World& world, const Function& function) {
  if (world.rank() != 0) world.host().barrier();
  auto result = function();
  if (world.rank() == 0) world.host().barrier();
  return result;
}

// Rank and size from the environment of the launcher, before MPI is initialized; {0, 1} without a
// launcher.
struct LaunchInfo {
  int rank = 0;
  int size = 1;
  bool launched = false;  // by mpirun, srun or another launcher
};
[[nodiscard]] LaunchInfo launch_info();
// The same from any environment: `variable` returns the value of a variable, nullptr if it is not
// set.
using Environment = std::function<const char*(const char* name)>;
[[nodiscard]] LaunchInfo launch_info(const Environment& variable);

[[nodiscard]] std::string host_name();
[[nodiscard]] std::string this_rank();  // "rank 2 on host n01", for messages; also before `join`

// Ends the whole job after an error, also before or during `join`. Any thread. Kills the other
// processes of the job if a launcher started them; a rank that cannot reach the launcher within ten
// seconds kills itself, which the launcher notices.
[[noreturn]] void abort_job(int exit_code);

// Before abort_job, if other hosts may not answer: mpirun would wait for their daemons. Starts a
// process that kills the mpirun or orted that started this rank if it has not ended within two
// seconds. Other launchers are left alone.
void end_launcher_later();

}  // namespace valley
