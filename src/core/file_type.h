// Type of the file at a path; failures are not reported as "not found".
#pragma once

#include <sys/stat.h>

#include <cerrno>
#include <filesystem>

#include "core/error.h"

namespace valley {

// Follows links; not_found where there is no file, also for a dangling link. Throws file_error's
// Error naming `path` for every other failure: no permission, a loop of links, a failing disk.
[[nodiscard]] inline std::filesystem::file_type type_of_file(const std::filesystem::path& path,
                                                             bool writing = false) {
  using std::filesystem::file_type;
  struct ::stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return file_type::not_found;
    throw file_error("looking at", path.string(), errno, writing);
  }
  if (S_ISREG(status.st_mode)) return file_type::regular;
  return S_ISDIR(status.st_mode) ? file_type::directory : file_type::unknown;
}

[[nodiscard]] inline bool is_there(const std::filesystem::path& path, bool writing = false) {
  return type_of_file(path, writing) != std::filesystem::file_type::not_found;
}

[[nodiscard]] inline bool is_folder(const std::filesystem::path& path, bool writing = false) {
  return type_of_file(path, writing) == std::filesystem::file_type::directory;
}

}  // namespace valley
