#include "kernels/openmp_threads.h"

#include <dlfcn.h>
#include <fmt/core.h>

#include <algorithm>
#include <future>
#include <set>
#include <thread>
#include <vector>

#include "core/start_threads.h"

namespace valley {
namespace {

// at::set_num_threads() starts a second pool besides OpenMP's, and hangs if a thread of it cannot
// be started.
constexpr int kPools = 2;
// Other threads of a rank: loader, checkpoint writer, reductions.
constexpr int kOtherThreads = 4;

// Function of the OpenMP library that LibTorch loads; null where LibTorch was built without OpenMP.
// Looked up by name, because that library need not be the one of this compiler.
template <typename Function>
Function* openmp_function(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_DEFAULT, name));
}

int ask_openmp(const char* name, int otherwise) {
  auto* const function = openmp_function<int()>(name);
  return function == nullptr ? otherwise : function();
}

// Number of threads, up to `wanted`, that can run in addition to this one.
int startable_threads(int wanted) {
  std::promise<void> end;
  const std::shared_future<void> ended = end.get_future().share();
  std::vector<std::jthread> threads;
  const std::size_t started = start_threads(threads, static_cast<std::size_t>(std::max(0, wanted)),
                                            [ended] { ended.wait(); });
  end.set_value();
  return static_cast<int>(started);
}

}  // namespace

GrantedThreads granted_threads(int wanted) {
  GrantedThreads granted{std::max(1, wanted), ""};
  const int limit = std::max(1, ask_openmp("omp_get_thread_limit", granted.count));
  if (limit < granted.count) granted = {limit, fmt::format("OMP_THREAD_LIMIT={}", limit)};
  if (granted.count == 1) return granted;
  const int others = kPools * (granted.count - 1) + kOtherThreads;
  const int started = startable_threads(others);
  if (started < others)
    granted = {std::clamp(1 + (started - kOtherThreads) / kPools, 1, granted.count),
               "the limit on processes (ulimit -u; in a container its pids limit)"};
  return granted;
}

void fix_team_size() {
  if (auto* const set_dynamic = openmp_function<void(int)>("omp_set_dynamic")) set_dynamic(0);
  auto* const set_levels = openmp_function<void(int)>("omp_set_max_active_levels");
  if (set_levels != nullptr && ask_openmp("omp_get_max_active_levels", 1) < 1) set_levels(1);
}

int cpus_of_places() {
  auto* const count_of = openmp_function<int(int)>("omp_get_place_num_procs");
  auto* const ids_of = openmp_function<void(int, int*)>("omp_get_place_proc_ids");
  if (count_of == nullptr || ids_of == nullptr || ask_openmp("omp_get_proc_bind", 0) == 0) return 0;
  std::set<int> cpus;
  for (int place = 0; place < ask_openmp("omp_get_num_places", 0); ++place) {
    std::vector<int> ids(static_cast<std::size_t>(std::max(0, count_of(place))));
    if (!ids.empty()) ids_of(place, ids.data());
    cpus.insert(ids.begin(), ids.end());
  }
  return static_cast<int>(cpus.size());
}

bool threads_are_refused() { return startable_threads(1) == 0; }

}  // namespace valley
