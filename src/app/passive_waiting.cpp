#include "app/passive_waiting.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

namespace valley::app {
namespace {

bool computes(std::string_view command) {
  constexpr std::array<std::string_view, 7> kCommands = {"train",    "bench",  "sample",  "restore",
                                                         "evaluate", "energy", "classify"};
  return std::find(kCommands.begin(), kCommands.end(), command) != kCommands.end();
}

bool is_set(const char* variable) { return std::getenv(variable) != nullptr; }

}  // namespace

void wait_passively(int argc, char** argv) {
  if (argc < 2 || !computes(argv[1])) return;
  if (is_set("OMP_WAIT_POLICY") || is_set("GOMP_SPINCOUNT")) return;
  const char* threads = std::getenv("OMP_NUM_THREADS");
  if (threads != nullptr && std::string_view(threads) == "1") return;
  ::setenv("OMP_WAIT_POLICY", "passive", 0);
  ::setenv("GOMP_SPINCOUNT", "0", 0);
  ::execv("/proc/self/exe", argv);
}

}  // namespace valley::app
