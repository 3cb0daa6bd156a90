#include "counters.h"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>

#include "device.h"

namespace valley::fake {
namespace {

struct Work {
  unsigned long long times = 0;
  unsigned long long bytes = 0;
};

// Never destroyed either: streams may still work while the process ends.
struct Counters {
  std::mutex mutex;
  std::map<std::string, unsigned long long> calls;
  std::map<std::string, Work> work;
};

void write_counts();

// Empty without counts. Never destroyed, as write_counts runs after destructors.
const std::string& path() {
  static const auto* all = [] {
    const char* value = std::getenv("VALLEY_FAKE_COUNTS");
    if (value == nullptr || *value == '\0') return new std::string();
    const char* rank = std::getenv("OMPI_COMM_WORLD_RANK");
    std::atexit(write_counts);
    return new std::string(std::string(value) + "." + (rank == nullptr ? "0" : rank));
  }();
  return *all;
}

Counters& counters() {
  static auto* all = new Counters;
  return *all;
}

void write_counts() {
  const std::lock_guard lock(counters().mutex);
  std::FILE* file = std::fopen(path().c_str(), "w");
  if (file == nullptr) return;
  std::fprintf(file, "{\"calls\": {");
  const char* separator = "";
  for (const auto& [what, times] : counters().calls) {
    std::fprintf(file, "%s\"%s\": %llu", separator, what.c_str(), times);
    separator = ", ";
  }
  std::fprintf(file, "}, \"work\": {");
  separator = "";
  for (const auto& [what, work] : counters().work) {
    std::fprintf(file, "%s\"%s\": [%llu, %llu]", separator, what.c_str(), work.times, work.bytes);
    separator = ", ";
  }
  std::fprintf(file, "}}\n");
  std::fclose(file);
}

}  // namespace

void count_call(const char* what, cudaStream_t stream) {
  if (path().empty() || is_capturing(stream)) return;
  const std::lock_guard lock(counters().mutex);
  ++counters().calls[what];
}

void count_work(const char* what, std::size_t bytes) {
  if (path().empty()) return;
  const std::lock_guard lock(counters().mutex);
  Work& work = counters().work[what];
  ++work.times;
  work.bytes += bytes;
}

}  // namespace valley::fake
