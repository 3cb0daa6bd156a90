#include <string>

#include "doctor/checks.h"
#include "doctor/system_text.h"
#include "kernels/device.h"
#include "kernels/openmp_threads.h"

namespace valley::doctor {
namespace {

// Variables that bind every rank to the same cores, unless the launcher binds ranks.
void check_affinity(const Notes& notes) {
  for (const char* name : {"GOMP_CPU_AFFINITY", "KMP_AFFINITY", "OMP_PLACES", "OMP_PROC_BIND"}) {
    const std::string value = environment_variable(name);
    if (value.empty() || value == "false" || value == "disabled") continue;
    notes.warn(
        name, value,
        "threads of all ranks of a host run on the same cores unless the launcher binds each "
        "rank: unset it, or use mpirun --bind-to core");
  }
}

}  // namespace

void check_threads(const Notes& notes, int ranks) {
  const int threads = threads_for_rank(ranks);
  const std::string shared =
      fmt::format("{} for each of {} rank{}", threads, ranks, ranks == 1 ? "" : "s");
  const std::string given = environment_variable("OMP_NUM_THREADS");
  const std::string note =
      given.empty() ? "" : "; OMP_NUM_THREADS=" + given + " is ignored, set train.threads";
  const GrantedThreads granted = granted_threads(threads);
  const Metrics metrics{{"threads_per_rank", granted.count}};
  if (granted.count < threads) {
    notes.warn("threads",
               fmt::format("{} of {}: limited by {}", granted.count, shared, granted.limit),
               "training uses fewer threads; raise the limit for more speed", metrics);
  } else {
    notes.ok("threads", shared + note, metrics);
  }

  const std::string policy = environment_variable("OMP_WAIT_POLICY");
  // If it is not set, commands that compute set it to passive.
  const bool spins = !policy.empty() && policy != "passive" && policy != "PASSIVE";
  if (spins && ranks > 1 && threads > 1) {
    notes.warn(
        "OMP_WAIT_POLICY", policy,
        "waiting threads take CPU time from working ones: export OMP_WAIT_POLICY=passive, or "
        "unset it");
  } else if (!policy.empty()) {
    notes.ok("OMP_WAIT_POLICY", policy);
  }
  check_affinity(notes);
}

}  // namespace valley::doctor
