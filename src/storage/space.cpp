#include "storage/space.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>

#include "core/error.h"
#include "core/file_system.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

// `path`, or the nearest folder above it that exists.
fs::path nearest_existing(const fs::path& path) {
  fs::path nearest = fs::absolute(path).lexically_normal();
  struct ::statvfs ignored {};
  while (::statvfs(nearest.c_str(), &ignored) != 0) {
    if (is_unsupported(errno)) break;
    if (errno != ENOENT && errno != ENOTDIR)
      throw file_error("looking at", nearest.string(), errno, true);
    if (!nearest.has_relative_path()) break;
    nearest = nearest.parent_path();
  }
  return nearest;
}

}  // namespace

std::optional<std::uint64_t> free_bytes(const fs::path& path) {
  struct ::statvfs status {};
  const fs::path nearest = nearest_existing(path);
  if (::statvfs(nearest.c_str(), &status) != 0) {
    if (is_unsupported(errno)) return std::nullopt;
    throw file_error("examining the file system of", nearest.string(), errno, true);
  }
  if (status.f_blocks == 0) return std::nullopt;
  return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
}

void require_directory_possible(const fs::path& path) {
  const fs::path nearest = nearest_existing(path);
  std::error_code ignored;
  // A directory named "~" is not intended.
  if (const std::string hint = tilde_hint(path.string());
      !hint.empty() && !fs::exists(path, ignored))
    throw Error(ExitCode::kCannotWrite, "there is no directory {}{}", path.string(), hint);
  if (!fs::is_directory(nearest, ignored))
    throw Error(ExitCode::kCannotWrite, "making the directory {}: {} is a file", path.string(),
                nearest.string());
  if (::access(nearest.c_str(), W_OK | X_OK) != 0)
    throw file_error(fmt::format("making {} in", path.string()), nearest.string(), errno, true);
}

}  // namespace valley
