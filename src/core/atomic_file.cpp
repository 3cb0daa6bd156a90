#include "core/atomic_file.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdio>
#include <optional>
#include <utility>

#include "core/error.h"
#include "core/file_system.h"
#include "core/log.h"
#include "core/progress_count.h"

namespace valley {
namespace {

constexpr ::mode_t kMode = 0644;

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

// A unique name beside the file: hosts may share the folder, threads share the process.
std::filesystem::path temporary_beside(const std::filesystem::path& path) {
  static std::atomic<unsigned> count = 0;
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  return folder_of(path) / fmt::format(".{}.{}.{}.{}.tmp", path.filename().string(), host.data(),
                                       ::getpid(), count++);
}

bool is_in_proc(const std::filesystem::path& path) {
  struct ::statfs system {};
  return ::statfs(folder_of(path).c_str(), &system) == 0 && system.f_type == PROC_SUPER_MAGIC;
}

// Descriptor of the open file of this process that a link such as /proc/self/fd/1 refers to; -1 for
// other links.
int open_file_behind(const std::filesystem::path& link) {
  const std::string name = link.filename().string();
  int descriptor = -1;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), descriptor);
  if (error != std::errc() || end != name.data() + name.size() || !is_in_proc(link)) return -1;
  struct ::stat named {};
  struct ::stat open {};
  const bool is_same = ::stat(link.c_str(), &named) == 0 && ::fstat(descriptor, &open) == 0 &&
                       named.st_dev == open.st_dev && named.st_ino == open.st_ino;
  return is_same ? descriptor : -1;
}

// File at the end of a path's chain of symbolic links; need not exist.
struct Target {
  std::filesystem::path path;
  int stream = -1;  // open file of this process, such as /dev/stdout: written directly
  std::optional<struct ::stat> replaced;  // existing file
};

std::optional<std::filesystem::path> link_in(const std::filesystem::path& path) {
  std::array<char, PATH_MAX> text{};
  const ::ssize_t n = ::readlink(path.c_str(), text.data(), text.size());
  if (n <= 0 || n == static_cast<::ssize_t>(text.size())) return std::nullopt;
  return std::filesystem::path(std::string(text.data(), static_cast<std::size_t>(n)));
}

// Only regular files may be replaced: renaming over /dev/null would break other programs.
Target find_target(const std::filesystem::path& path) {
  constexpr int kMaxLinks = 40;  // as the kernel allows
  if (!path.has_filename())
    throw Error(ExitCode::kCannotWrite, "\"{}\" does not name a file to write", path.string());
  Target target{path, -1, std::nullopt};
  for (int links = 0; const auto link = link_in(target.path); ++links) {
    if (links == kMaxLinks) throw file_error("creating", path.string(), ELOOP, true);
    target.stream = open_file_behind(target.path);
    if (target.stream >= 0) return target;
    target.path = link->is_absolute() ? *link : folder_of(target.path) / *link;
  }
  struct ::stat status {};
  if (::stat(target.path.c_str(), &status) != 0) return target;
  if (!S_ISREG(status.st_mode))
    throw Error(ExitCode::kCannotWrite, "{} is {}; name a file to write", path.string(),
                S_ISDIR(status.st_mode) ? "a directory" : "a device, pipe or socket");
  target.replaced = status;
  return target;
}

std::string describe(const std::filesystem::path& path, const Target& target) {
  return target.path == path
             ? path.string()
             : fmt::format("{}, to which {} links", target.path.string(), path.string());
}

// Copies owner and permissions of the old file to the new one, as far as this user may.
void take_over(int descriptor, const struct ::stat& replaced) {
  struct ::stat made {};
  const bool is_known = ::fstat(descriptor, &made) == 0;
  if (!is_known || made.st_uid != replaced.st_uid || made.st_gid != replaced.st_gid) {
    [[maybe_unused]] const int owner = ::fchown(descriptor, replaced.st_uid, replaced.st_gid);
  }
  constexpr ::mode_t kPermissions = 0777;
  [[maybe_unused]] const int mode = ::fchmod(descriptor, replaced.st_mode & kPermissions);
}

}  // namespace

void require_writable(const std::filesystem::path& path) {
  const Target target = find_target(path);
  if (target.stream >= 0) return;
  const std::filesystem::path folder = folder_of(target.path);
  const std::string name = describe(path, target);
  struct ::stat status {};
  if (::stat(folder.c_str(), &status) != 0)
    throw file_error("looking into the folder of", name, errno, true);
  if (::access(folder.c_str(), W_OK | X_OK) != 0)
    throw file_error("writing in the folder of", name, errno, true);
}

AtomicFile::AtomicFile(const std::filesystem::path& path) {
  const Target target = find_target(path);
  path_ = target.path;
  name_ = describe(path, target);
  if (target.stream >= 0) {
    descriptor_ = ::fcntl(target.stream, F_DUPFD_CLOEXEC, 0);
  } else {
    temporary_ = temporary_beside(path_);
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, kMode);
  }
  if (descriptor_ < 0) throw file_error("creating", name_, errno, true);
  if (target.replaced) take_over(descriptor_, *target.replaced);
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      name_(std::move(other.name_)),
      temporary_(std::move(other.temporary_)),
      descriptor_(std::exchange(other.descriptor_, -1)) {}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(Bytes bytes) {
  while (!bytes.empty()) {
    const ::ssize_t n = ::write(descriptor_, bytes.data(), std::min(bytes.size(), kCountedBytes));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      throw file_error(fmt::format("writing {} bytes to", bytes.size()), name_, errno, true);
    count_progress();
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

void AtomicFile::commit() {
  const bool is_stream = temporary_.empty();
  if (!is_stream) flush_file(descriptor_, name_);
  if (::close(std::exchange(descriptor_, -1)) != 0 ||
      (!is_stream && std::rename(temporary_.c_str(), path_.c_str()) != 0)) {
    const int error_number = errno;
    if (!is_stream) ::unlink(temporary_.c_str());
    throw file_error("finishing", name_, error_number, true);
  }
  if (!is_stream) sync_directory(folder_of(path_));
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

void sync_directory(const std::filesystem::path& directory) {
  const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  // Without permission to read it, it can be written but not flushed.
  if (descriptor < 0 && errno == EACCES) return;
  if (descriptor < 0) throw file_error("opening", directory.string(), errno, true);
  // Many file systems cannot flush directories. The rename has succeeded, so an Error would report
  // an existing file as not written.
  if (::fsync(descriptor) != 0 && !is_unsupported(errno))
    log::warn("flushing the directory {}: {}; new files in it may be lost when the host fails",
              directory.string(), error_text(errno));
  ::close(descriptor);
}

}  // namespace valley
