// A job in which one rank fails while the others are in an all_reduce; job_end_test.cpp starts it.
//
//   faulty_rank MODE RANK TOKEN     TOKEN marks the job's processes
//
// Prints "fault at N" first, N in microseconds of the host's steady clock.
#include <ATen/ops/ones.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>

#include "comm/world.h"
#include "core/error.h"
#include "core/log.h"

namespace {

using valley::Error;
using valley::ExitCode;

void announce() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  std::fprintf(
      stderr, "fault at %lld\n",
      static_cast<long long>(std::chrono::duration_cast<std::chrono::microseconds>(now).count()));
}

void fail(const std::string& mode, valley::Communicator& comm) {
  if (mode == "throw") throw Error(ExitCode::kData, "shard 3 is damaged");
  if (mode == "bug") throw std::logic_error("a bug");
  if (mode == "abort") comm.abort("the loss is not finite", static_cast<int>(ExitCode::kDiverged));
  if (mode == "kill") std::raise(SIGKILL);
  if (mode == "exit") std::_Exit(0);
  if (mode == "thread") {
    std::thread([&] {
      comm.abort("from a thread", static_cast<int>(ExitCode::kRankLost));
    }).detach();
  }
}

void run_faulty(const std::string& mode, int faulty) {
  if (mode == "early" && valley::launch_info().rank == faulty) {
    announce();
    throw Error(ExitCode::kMissingInput, "no such config");
  }
  const auto world = valley::World::join(valley::DeviceChoice::kCpu);
  if (mode == "disagree") {
    if (world->rank() == faulty) announce();
    world->require_equal("the config", std::to_string(world->rank() / 2));
  }
  const at::Tensor gradient = at::ones({1 << 20}, at::kFloat);
  for (int step = 0;; ++step) {
    if (mode == "none" && step == 10) break;
    if (step == 5 && world->rank() == faulty && mode != "none") {
      announce();
      fail(mode, world->host());
    }
    gradient.fill_(1);
    world->host().all_reduce(gradient, valley::ReduceOp::kSum)->wait();
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  int code = static_cast<int>(ExitCode::kInternal);
  try {
    run_faulty(argv[1], std::atoi(argv[2]));
    return 0;
  } catch (const Error& error) {
    code = static_cast<int>(error.code());
    valley::log::error("{}: {}", valley::this_rank(), error.what());
  } catch (const std::exception& error) {
    valley::log::error("{}: {}", valley::this_rank(), error.what());
  }
  valley::abort_job(code);
}
