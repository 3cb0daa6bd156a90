#include "fault_injection.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <utility>

namespace valley::faults {
namespace {

enum class Mode { kOff, kKill, kFail, kAct };
enum class Kind { kChange, kRemoval };

Mode mode = Mode::kOff;
int calls = 0;
int fault_at = -1;
int fault_error = 0;
std::function<void()> fault_action;
int flush_refusal = 0;
int lock_refusal = 0;

// True if the call must fail; sets errno. `first_half` is executed before a fault.
template <typename FirstHalf>
bool fails(Kind kind, FirstHalf&& first_half) {
  if (mode == Mode::kOff || (mode == Mode::kFail && kind == Kind::kRemoval)) return false;
  if (calls++ != fault_at) return false;
  if (mode == Mode::kAct) {
    const auto action = std::exchange(fault_action, nullptr);
    const int counted = calls;
    mode = Mode::kOff;  // the action's own calls do not count
    action();
    mode = Mode::kAct;
    calls = counted;
    return false;
  }
  first_half();
  if (mode == Mode::kKill) ::kill(::getpid(), SIGKILL);
  errno = fault_error;
  return true;
}
bool fails(Kind kind) {
  return fails(kind, [] {});
}

void arm(Mode new_mode, int at_call) {
  calls = 0;
  fault_at = at_call;
  mode = new_mode;
}

}  // namespace

void kill_at(int at_call) { arm(Mode::kKill, at_call); }
void fail_at(int at_call, int error_number) {
  fault_error = error_number;
  arm(Mode::kFail, at_call);
}
void act_at(int at_call, std::function<void()> action) {
  fault_action = std::move(action);
  arm(Mode::kAct, at_call);
}
void refuse(int flush_error, int lock_error) {
  flush_refusal = flush_error;
  lock_refusal = lock_error;
}
int flush_error() { return flush_refusal; }
int lock_error() { return lock_refusal; }
int disarm() {
  mode = Mode::kOff;
  return calls;
}

}  // namespace valley::faults

using valley::faults::fails;
using valley::faults::Kind;

extern "C" {

int open(const char* path, int flags, ...) {
  ::mode_t mode = 0;
  if ((flags & O_CREAT) != 0) {
    std::va_list arguments;
    va_start(arguments, flags);
    mode = va_arg(arguments, ::mode_t);
    va_end(arguments);
    if (fails(Kind::kChange)) return -1;
  }
  return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}

::ssize_t write(int descriptor, const void* bytes, std::size_t count) {
  if (fails(Kind::kChange, [&] { ::syscall(SYS_write, descriptor, bytes, count / 2); })) return -1;
  return ::syscall(SYS_write, descriptor, bytes, count);
}

int flock(int descriptor, int operation) noexcept {
  if ((errno = valley::faults::lock_error()) != 0) return -1;
  return static_cast<int>(::syscall(SYS_flock, descriptor, operation));
}

int fsync(int descriptor) {
  if ((errno = valley::faults::flush_error()) != 0) return -1;
  if (fails(Kind::kChange)) return -1;
  return static_cast<int>(::syscall(SYS_fsync, descriptor));
}

int mkdir(const char* path, ::mode_t mode) noexcept {
  if (fails(Kind::kChange)) return -1;
  return static_cast<int>(::syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}

int rename(const char* from, const char* to) noexcept {
  if (fails(Kind::kChange)) return -1;
  return static_cast<int>(::syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}

int unlink(const char* path) noexcept {
  if (fails(Kind::kRemoval)) return -1;
  return static_cast<int>(::syscall(SYS_unlinkat, AT_FDCWD, path, 0));
}

int unlinkat(int directory, const char* path, int flags) noexcept {
  if (fails(Kind::kRemoval)) return -1;
  return static_cast<int>(::syscall(SYS_unlinkat, directory, path, flags));
}

int rmdir(const char* path) noexcept {
  if (fails(Kind::kRemoval)) return -1;
  return static_cast<int>(::syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR));
}

}  // extern "C"
