#include "core/file_system.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "core/error.h"
#include "core/log.h"

namespace valley {
namespace {

constexpr int kKernelUnsupported = 524;  // ENOTSUPP of the kernel, as Cray's DVS returns it

}  // namespace

bool is_unsupported(int error_number) {
  constexpr std::array kUnsupported{EINVAL, ENOSYS, EOPNOTSUPP, ENOTTY, kKernelUnsupported};
  return error_number == ENOTSUP ||
         std::ranges::find(kUnsupported, error_number) != kUnsupported.end();
}

bool has_no_locks(int error_number) {
  return is_unsupported(error_number) || error_number == ENOLCK || error_number == EREMOTEIO;
}

std::string error_text(int error_number) {
  return std::strerror(error_number == kKernelUnsupported ? EOPNOTSUPP : error_number);
}

void flush_file(int descriptor, const std::string& path) {
  static std::atomic<bool> is_reported{false};
  while (::fsync(descriptor) != 0) {
    const int error_number = errno;
    if (error_number == EINTR) continue;
    if (!is_unsupported(error_number)) throw file_error("flushing", path, error_number, true);
    if (!is_reported.exchange(true))
      log::warn(
          "the file system of {} cannot flush files ({}): files that were just written are "
          "lost when the host fails",
          path, error_text(error_number));
    return;
  }
}

}  // namespace valley
