// Threads of OpenMP's parallel regions. oneDNN plans its work for the number of threads that was
// set and waits for all of them at a spinning barrier: a team that is smaller hangs for ever.
#pragma once

#include <string>

namespace valley {

struct GrantedThreads {
  int count = 1;      // threads that a parallel region gets
  std::string limit;  // name of the limit that makes it smaller than wanted; "" if there is none
};

// Threads of `wanted` that OpenMP (OMP_THREAD_LIMIT) and the system (ulimit -u, pids limit of a
// container) grant this process now; at least 1. Starts and ends threads to find out.
[[nodiscard]] GrantedThreads granted_threads(int wanted);

// Makes every parallel region of the calling thread have as many threads as were set: without
// adjustment to the load (OMP_DYNAMIC), and with regions allowed at all (OMP_MAX_ACTIVE_LEVELS=0).
void fix_team_size();

// CPUs of OpenMP's places (OMP_PLACES, OMP_PROC_BIND, GOMP_CPU_AFFINITY); 0 where threads are not
// bound. The main thread's own CPU mask has no more than one place then.
[[nodiscard]] int cpus_of_places();

// True when the system refuses this process one more thread.
[[nodiscard]] bool threads_are_refused();

}  // namespace valley
