#include "record/append_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>
#include <utility>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/file_system.h"

namespace valley {
namespace {

constexpr ::mode_t kMode = 0644;

}  // namespace

AppendFile::AppendFile(std::filesystem::path path, Begin begin) : path_(std::move(path)) {
  const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
  descriptor_ = ::open(path_.c_str(), begin == Begin::kEmpty ? flags | O_TRUNC : flags, kMode);
  if (descriptor_ < 0) throw file_error("opening", path_.string(), errno, true);
}

AppendFile::AppendFile(AppendFile&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

AppendFile::~AppendFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void AppendFile::append(std::string_view piece) {
  const ::off_t begin = ::lseek(descriptor_, 0, SEEK_END);
  std::string_view left = piece;
  while (!left.empty()) {
    const ::ssize_t n = ::write(descriptor_, left.data(), left.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const int error_number = errno;
      // A partial piece would corrupt the next one.
      [[maybe_unused]] const int result = ::ftruncate(descriptor_, begin);
      throw file_error(fmt::format("writing {} bytes to", piece.size()), path_.string(),
                       error_number, true);
    }
    left.remove_prefix(static_cast<std::size_t>(n));
  }
}

void AppendFile::rename(const std::filesystem::path& path) {
  flush_file(descriptor_, path_.string());
  if (std::rename(path_.c_str(), path.c_str()) != 0)
    throw file_error("finishing", path.string(), errno, true);
  path_ = path;
  sync_directory(path_.parent_path());
}

}  // namespace valley
