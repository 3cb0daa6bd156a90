// Team size of OpenMP's parallel regions. oneDNN divides its work by the number of threads that was
// set and waits for all of them at a spinning barrier: with a smaller team it hangs.
#pragma once

#include <string>

namespace valley {

struct GrantedThreads {
  int count = 1;      // threads of a parallel region
  std::string limit;  // name of the limit that reduces `count`; "" if there is none
};

// Number of threads, 1 to `wanted`, that OpenMP (OMP_THREAD_LIMIT) and the system (ulimit -u, pids
// limit of a container) grant this process now. Starts and ends threads to find out.
[[nodiscard]] GrantedThreads granted_threads(int wanted);

// Makes parallel regions of the calling thread use exactly the number of threads that was set:
// disables adjustment to the load (OMP_DYNAMIC) and enables regions (OMP_MAX_ACTIVE_LEVELS=0).
void fix_team_size();

// Number of CPUs in OpenMP's places (OMP_PLACES, OMP_PROC_BIND, GOMP_CPU_AFFINITY), since the CPU
// mask of a bound main thread has only one place; 0 where threads are not bound.
[[nodiscard]] int cpus_of_places();

// True if the system refuses to start another thread of this process.
[[nodiscard]] bool threads_are_refused();

}  // namespace valley
