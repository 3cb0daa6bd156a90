#include "storage/run_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "core/error.h"
#include "core/file_system.h"
#include "core/job_id.h"
#include "core/json_text.h"
#include "core/log.h"
#include "storage/descriptor.h"

namespace valley {
namespace {

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "unknown";
}

std::string describe_holder(int descriptor) {
  std::array<char, 4096> text{};
  const ::ssize_t n = ::pread(descriptor, text.data(), text.size(), 0);
  const auto holder = try_parse_json({text.data(), n < 0 ? 0 : static_cast<std::size_t>(n)});
  if (!holder.is_object() || !holder.contains("host") || !holder.contains("pid"))
    return "another process";  // has not written its name yet
  const std::string job = holder.value("job", "");
  return fmt::format("process {} on host {}{}", write_json(holder["pid"]),
                     holder["host"].is_string() ? holder["host"].get<std::string>() : "unknown",
                     job.empty() ? ", started without a job id" : ", job " + job);
}

// The text is for messages only; the lock does not depend on it.
void write_holder(int descriptor) {
  const nlohmann::json holder = {{"host", host_name()}, {"pid", ::getpid()}, {"job", job_id()}};
  const std::string text = write_json(holder) + "\n";
  if (::ftruncate(descriptor, 0) != 0 ||
      ::pwrite(descriptor, text.data(), text.size(), 0) != static_cast<::ssize_t>(text.size()))
    log::warn("cannot write this process's name into the run's .lock");
}

// Sets errno if it fails. A process that only looks whether the run is in use holds the lock for
// some microseconds.
bool lock_now(const Descriptor& lock) {
  constexpr int kTries = 5;
  for (int i = 1; ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0; ++i) {
    if (errno != EWOULDBLOCK || i == kTries) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

// To look at the lock, without creating its file.
Descriptor open_lock(const std::filesystem::path& directory) {
  return Descriptor(::open((directory / ".lock").c_str(), O_RDONLY | O_CLOEXEC));
}

bool is_held(const Descriptor& lock) {
  return lock && ::flock(lock.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

[[noreturn]] void refuse_in_use(const std::filesystem::path& name, int descriptor) {
  throw Error(ExitCode::kUsage,
              "{} is in use by {}; wait for it to end or stop it, or start a new run",
              name.string(), describe_holder(descriptor));
}

}  // namespace

int take_run_lock(const std::filesystem::path& directory, const std::filesystem::path& name) {
  constexpr ::mode_t kMode = 0644;
  const std::filesystem::path path = directory / ".lock";
  Descriptor lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kMode));
  if (!lock) throw file_error("opening the lock", path.string(), errno, true);
  if (!lock_now(lock)) {
    if (errno == EWOULDBLOCK) refuse_in_use(name, lock.get());
    const int error_number = errno;
    if (!has_no_locks(error_number)) throw file_error("locking", path.string(), error_number, true);
    log::warn("the file system of {} has no locks ({}): do not start a second job on this run",
              name.string(), error_text(error_number));
  }
  write_holder(lock.get());
  return lock.release();
}

void require_run_unlocked(const std::filesystem::path& directory) {
  const Descriptor lock = open_lock(directory);
  if (is_held(lock)) refuse_in_use(directory, lock.get());
}

bool is_run_locked(const std::filesystem::path& directory) { return is_held(open_lock(directory)); }

void release_run_lock(int descriptor) noexcept {
  if (descriptor < 0) return;
  [[maybe_unused]] const int result = ::ftruncate(descriptor, 0);
  ::close(descriptor);
}

}  // namespace valley
