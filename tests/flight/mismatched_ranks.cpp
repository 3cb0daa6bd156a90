// Ranks that reduce until one of them, by a defect, calls another collective: for the tests of jobs
// that hang. The trainer has no such defect, so that it cannot show this.
//
//   mpirun -n 4 mismatched_ranks FOLDER TIMEOUT CULPRIT STEP
//
// The watchdog judges after TIMEOUT seconds and writes its records to FOLDER.
#include <ATen/Functions.h>
#include <fmt/core.h>

#include <cstdlib>
#include <string>

#include "comm/world.h"
#include "core/error.h"
#include "core/log.h"
#include "flight/flight_recorder.h"
#include "flight/watchdog.h"

int main(int argc, char** argv) {
  using namespace valley;
  if (argc != 5) return static_cast<int>(ExitCode::kUsage);
  const auto world = World::join(DeviceChoice::kCpu);
  const int culprit = std::atoi(argv[3]);
  const int last = std::atoi(argv[4]);
  WatchdogSettings settings;
  settings.rank = world->rank();
  settings.size = world->size();
  settings.hang_timeout_s = std::atof(argv[2]);
  settings.report = [](const Verdict& verdict) { log::error("{}", verdict.text); };
  settings.end_job = [](const Verdict&) { abort_job(static_cast<int>(ExitCode::kRankLost)); };
  settings.end_rank = [] { abort_job(static_cast<int>(ExitCode::kRankLost)); };
  const auto watchdog =
      start_watchdog(settings, {[&](const auto& text) { return world->broadcast(text); },
                                [&](const auto& text) { return world->gather(text); }});
  watchdog->set_folder(argv[1]);
  const at::Tensor gradients = at::ones({1000});
  for (int step = 1;; ++step) {
    flight_recorder().set_step(step);
    flight_recorder().set_phase("D");
    if (step == last && world->rank() == culprit) {
      world->host().barrier();
    } else {
      world->device().all_reduce(gradients, ReduceOp::kMax)->wait();
    }
  }
}
