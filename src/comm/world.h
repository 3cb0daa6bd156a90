// How a process joins its job: MPI is set up first and torn down last, GPUs are assigned,
// communicators made.
//
// World::join is called once, early in main, by commands that run on several ranks. Without a
// launcher (no mpirun, no srun) it is a job of one rank and never starts MPI.
//
// An exception that leaves the scope of a World leaves MPI and NCCL as they are, so that nothing
// waits for the other ranks: `main` catches it outside, says it once and calls `abort_job`.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "comm/communicator.h"

namespace valley {

enum class DeviceChoice { kAuto, kCpu, kCuda };

// Default limit of the time that a rank waits for the others.
inline constexpr std::chrono::seconds kRankTimeout{600};

class World {
 public:
  // Collective. kAuto takes GPUs where the build has CUDA and ranks see GPUs. Each rank gets a GPU
  // of its own; more ranks than GPUs on a host, kCuda without GPUs, hosts with and hosts without
  // GPUs, or a launcher that this MPI does not understand: Error (kConfig) on every rank. With
  // VALLEY_SHARE_GPU=1 (functional tests) ranks may share a GPU, and NCCL_HOSTID is set where they
  // do. The device is made the calling thread's current one; other threads that use it set it
  // themselves. `timeout`: limit of waiting for other ranks in collectives of GPUs.
  static std::unique_ptr<World> join(DeviceChoice choice,
                                     std::chrono::seconds timeout = kRankTimeout);
  virtual ~World() = default;

  [[nodiscard]] virtual Communicator& host() = 0;  // CPU tensors: agreement, gathering, errors
  [[nodiscard]] virtual Communicator&
  device() = 0;  // tensors of `device().device()`: gradients. On CPUs the same object.

  [[nodiscard]] int rank() { return host().rank(); }
  [[nodiscard]] int size() { return host().size(); }

  // Collective. Throws ExitCode::kConfig on every rank when `text` is not equal on all ranks,
  // naming `what`, the ranks that differ from most of them and the first line that differs.
  void require_equal(const std::string& what, const std::string& text);
  // Collective: the strings of all ranks, in rank order, on every rank.
  [[nodiscard]] std::vector<std::string> gather(const std::string& text);
  // Collective: rank 0's string on every rank.
  [[nodiscard]] std::string broadcast(const std::string& text);
};

// The device of a command that runs on one rank: the first GPU that this process sees, or the CPU.
// Errors as those of World::join.
[[nodiscard]] at::Device take_device(DeviceChoice choice);

// Collective: rank 0 calls `function` before the others do. What rank 0 finds wrong, it alone says;
// the others get there only if it found nothing.
template <typename Function>
auto rank_zero_first(World& world, const Function& function) {
  if (world.rank() != 0) world.host().barrier();
  auto result = function();
  if (world.rank() == 0) world.host().barrier();
  return result;
}

// Rank and size as the launcher's environment gives them, before MPI is up; {0, 1} without a
// launcher.
struct LaunchInfo {
  int rank = 0;
  int size = 1;
  bool launched = false;  // by mpirun, srun or another starter
};
[[nodiscard]] LaunchInfo launch_info();
// The same from any environment: `variable` gives a variable's value, nullptr where it is not set.
using Environment = std::function<const char*(const char* name)>;
[[nodiscard]] LaunchInfo launch_info(const Environment& variable);

[[nodiscard]] std::string host_name();
[[nodiscard]] std::string this_rank();  // "rank 2 on host n01", for messages; also before `join`

// What an error ends the whole job with, also before `join` or while it fails. Any thread. Kills
// the job's other processes where a launcher started them; a rank that cannot reach the launcher
// within ten seconds kills itself, which the launcher notices.
[[noreturn]] void abort_job(int exit_code);

}  // namespace valley
