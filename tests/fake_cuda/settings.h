// Settings of the fake CUDA device, from environment variables (README.md lists them).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace valley::fake {

struct Settings {
  int devices;         // VALLEY_FAKE_GPUS
  std::size_t memory;  // bytes per device: VALLEY_FAKE_MEMORY
  int major, minor;    // compute capability: VALLEY_FAKE_CAPABILITY
  std::uint64_t seed;  // VALLEY_FAKE_SEED: seed of random delays; 0 disables them
  int driver;          // CUDA version of the driver, 1000 * major + 10 * minor: VALLEY_FAKE_DRIVER
  int copy_delay;      // ms of each copy to or from pinned memory: VALLEY_FAKE_COPY_MS
  bool prints_launches;  // VALLEY_FAKE_LOG
};

const Settings& settings();

// Counts one occurrence of `what` in this process. True if VALLEY_FAKE_FAIL names this occurrence:
// a comma-separated list of WHAT:N or WHAT:N@RANK, with N counted from 1.
bool fails_now(const char* what);

// Never returns: the stream that runs this stands still.
[[noreturn]] __attribute__((visibility("default"))) void hang();

// Prints why the fake device cannot continue and ends the process.
[[noreturn]] __attribute__((visibility("default"))) void give_up(const std::string& why);

}  // namespace valley::fake
