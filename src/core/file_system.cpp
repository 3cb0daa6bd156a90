#include "core/file_system.h"

#include <fcntl.h>
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

int write_and_close(int descriptor, std::string_view content) {
  int failure = 0;
  while (!content.empty() && failure == 0) {
    const ::ssize_t n = ::write(descriptor, content.data(), content.size());
    if (n < 0 && errno != EINTR) failure = errno;
    if (n > 0) content.remove_prefix(static_cast<std::size_t>(n));
  }
  if (::close(descriptor) != 0 && failure == 0) failure = errno;
  return failure;
}

void flush_file_system(const std::string& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) throw file_error("opening", folder, errno, true);
  const int failure = ::syncfs(descriptor) == 0 || is_unsupported(errno) ? 0 : errno;
  ::close(descriptor);
  if (failure != 0) throw file_error("flushing", folder, failure, true);
}

}  // namespace valley
