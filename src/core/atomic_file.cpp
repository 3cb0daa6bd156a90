#include "core/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "core/error.h"

namespace valley {
namespace {

constexpr ::mode_t kMode = 0644;

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

// Beside the file, and nobody else's: hosts may share the folder, and threads the process.
std::filesystem::path temporary_beside(const std::filesystem::path& path) {
  static std::atomic<unsigned> count = 0;
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  return folder_of(path) / fmt::format(".{}.{}.{}.{}.tmp", path.filename().string(), host.data(),
                                       ::getpid(), count++);
}

// The rename would put a plain file in the place of what programs need, /dev/null for one.
const std::filesystem::path& require_replaceable(const std::filesystem::path& path) {
  struct ::stat status {};
  if (!path.has_filename())
    throw Error(ExitCode::kCannotWrite, "\"{}\" names no file to write", path.string());
  if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode))
    throw Error(ExitCode::kCannotWrite, "{} is {}; name a file to write", path.string(),
                S_ISDIR(status.st_mode) ? "a directory" : "a device, pipe or socket");
  return path;
}

}  // namespace

void require_writable(const std::filesystem::path& path) {
  require_replaceable(path);
  const std::filesystem::path folder = folder_of(path);
  struct ::stat status {};
  if (::stat(folder.c_str(), &status) != 0)
    throw file_error("looking into the folder of", path.string(), errno, true);
  if (::access(folder.c_str(), W_OK | X_OK) != 0)
    throw file_error("writing in the folder of", path.string(), errno, true);
}

AtomicFile::AtomicFile(const std::filesystem::path& path)
    : path_(require_replaceable(path)),
      temporary_(temporary_beside(path_)),
      descriptor_(::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, kMode)) {
  if (descriptor_ < 0) throw file_error("creating", path_.string(), errno, true);
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)),
      descriptor_(std::exchange(other.descriptor_, -1)) {}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::write(Bytes bytes) {
  while (!bytes.empty()) {
    const ::ssize_t n = ::write(descriptor_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      throw file_error(fmt::format("writing {} bytes to", bytes.size()), path_.string(), errno,
                       true);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

void AtomicFile::commit() {
  if (::fsync(descriptor_) != 0) throw file_error("flushing", path_.string(), errno, true);
  if (::close(std::exchange(descriptor_, -1)) != 0 ||
      std::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int error_number = errno;
    ::unlink(temporary_.c_str());
    throw file_error("finishing", path_.string(), error_number, true);
  }
  sync_directory(folder_of(path_));
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

std::string read_file(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) throw file_error("opening", path.string(), errno, false);
  std::string text;
  char piece[65536];
  ::ssize_t n = 0;
  while ((n = ::read(descriptor, piece, sizeof piece)) > 0 || (n < 0 && errno == EINTR)) {
    if (n > 0) text.append(piece, static_cast<std::size_t>(n));
  }
  const int error_number = errno;
  ::close(descriptor);
  if (n < 0) throw file_error("reading", path.string(), error_number, false);
  return text;
}

void sync_directory(const std::filesystem::path& directory) {
  const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) throw file_error("opening", directory.string(), errno, true);
  ::fsync(descriptor);  // some file systems refuse it for directories: the rename itself is still
                        // atomic there
  ::close(descriptor);
}

}  // namespace valley
