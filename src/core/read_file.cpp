#include "core/read_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "core/progress_count.h"

namespace valley {
namespace {

class ReadDescriptor {
 public:
  explicit ReadDescriptor(int descriptor) : descriptor_(descriptor) {}
  ~ReadDescriptor() { ::close(descriptor_); }
  ReadDescriptor(const ReadDescriptor&) = delete;
  ReadDescriptor& operator=(const ReadDescriptor&) = delete;
  [[nodiscard]] int get() const { return descriptor_; }

 private:
  int descriptor_;
};

Error kind_error(const std::filesystem::path& path, const std::string& kind,
                 const std::string& advice) {
  return {ExitCode::kMissingInput, "reading {}: it is {}; {}", path.string(), kind, advice};
}

void require_readable_kind(const std::filesystem::path& path, ::mode_t mode, bool takes_pipes) {
  if (S_ISREG(mode) || (takes_pipes && S_ISFIFO(mode))) return;
  const std::string advice = takes_pipes ? "name a file or a pipe" : "name a regular file";
  if (S_ISDIR(mode)) throw kind_error(path, "a directory", advice);
  if (S_ISFIFO(mode)) throw kind_error(path, "a pipe", advice);
  if (S_ISSOCK(mode)) throw kind_error(path, "a socket", advice);
  throw kind_error(path, "a device", advice);
}

Error size_error(const std::filesystem::path& path, const ReadRules& rules) {
  return {rules.too_large,
          "{} has more than {} bytes, the largest size that is read here; check that it is the "
          "right file",
          path.string(), rules.max_bytes};
}

// The kind is checked before the file is opened: opening a pipe waits for its writer, and opening
// some devices changes their state.
int open_checked(const std::filesystem::path& path, bool takes_pipes, std::uint64_t& bytes) {
  struct ::stat status {};
  if (::stat(path.c_str(), &status) == 0) require_readable_kind(path, status.st_mode, takes_pipes);
  const bool waits = takes_pipes && S_ISFIFO(status.st_mode);
  const int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | (waits ? 0 : O_NONBLOCK);
  const int descriptor = ::open(path.c_str(), flags);
  if (descriptor < 0) throw file_error("opening", path.string(), errno, false);
  bytes = 0;
  if (::fstat(descriptor, &status) != 0) return descriptor;
  if (S_ISREG(status.st_mode)) {
    bytes = static_cast<std::uint64_t>(std::max<::off_t>(status.st_size, 0));
    return descriptor;
  }
  try {
    require_readable_kind(path, status.st_mode, takes_pipes);
  } catch (...) {
    ::close(descriptor);
    throw;
  }
  return descriptor;
}

}  // namespace

std::string read_file(const std::filesystem::path& path, const ReadRules& rules) {
  std::uint64_t bytes = 0;
  const ReadDescriptor file(open_checked(path, rules.takes_pipes, bytes));
  if (bytes > rules.max_bytes) throw size_error(path, rules);
  std::string text;
  text.reserve(bytes);
  char piece[65536];
  while (true) {
    const ::ssize_t n = ::read(file.get(), piece, sizeof piece);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw file_error("reading", path.string(), errno, false);
    if (n == 0) return text;
    count_progress();
    text.append(piece, static_cast<std::size_t>(n));
    if (text.size() > rules.max_bytes) throw size_error(path, rules);
  }
}

int open_regular_file(const std::filesystem::path& path) {
  std::uint64_t ignored = 0;
  return open_checked(path, false, ignored);
}

}  // namespace valley
