#include "settings.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <sstream>
#include <thread>
#include <vector>

namespace valley::fake {
namespace {

std::string variable(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? otherwise : value;
}

struct Fault {
  std::string what;
  long number;
};

// Faults meant for this rank.
std::vector<Fault> read_faults() {
  std::vector<Fault> faults;
  std::istringstream list(variable("VALLEY_FAKE_FAIL", ""));
  const std::string rank = variable("OMPI_COMM_WORLD_RANK", "0");
  for (std::string item; std::getline(list, item, ',');) {
    const std::size_t colon = item.find(':');
    const std::size_t at = item.find('@');
    if (colon == std::string::npos)
      give_up("VALLEY_FAKE_FAIL: \"" + item + "\" is not WHAT:N or WHAT:N@RANK");
    if (at != std::string::npos && item.substr(at + 1) != rank) continue;
    faults.push_back({item.substr(0, colon), std::stol(item.substr(colon + 1))});
  }
  return faults;
}

}  // namespace

const Settings& settings() {
  static const Settings all = [] {
    const std::string capability = variable("VALLEY_FAKE_CAPABILITY", "9.0");
    return Settings{std::stoi(variable("VALLEY_FAKE_GPUS", "1")),
                    std::stoull(variable("VALLEY_FAKE_MEMORY", "17179869184")),
                    std::stoi(capability),
                    std::stoi(capability.substr(capability.find('.') + 1)),
                    std::stoull(variable("VALLEY_FAKE_SEED", "1")),
                    std::stoi(variable("VALLEY_FAKE_DRIVER", "13000")),
                    std::stoi(variable("VALLEY_FAKE_COPY_MS", "0")),
                    !variable("VALLEY_FAKE_LOG", "").empty()};
  }();
  return all;
}

bool fails_now(const char* what) {
  static const std::vector<Fault> faults = read_faults();
  if (faults.empty()) return false;
  static std::mutex mutex;
  static std::map<std::string, long> counts;
  const std::lock_guard lock(mutex);
  const long number = ++counts[what];
  for (const Fault& fault : faults) {
    if (fault.what != what) continue;
    // LibTorch frees its cache and asks again: memory that ran out stays so.
    if (fault.number == number || (fault.what == "malloc" && fault.number < number)) return true;
  }
  return false;
}

void hang() {
  for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
}

void give_up(const std::string& why) {
  std::fprintf(stderr, "fake CUDA: %s\n", why.c_str());
  std::fflush(stderr);
  std::_Exit(99);
}

}  // namespace valley::fake
