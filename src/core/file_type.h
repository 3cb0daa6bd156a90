// The type of the file that a path leads to, with failures told apart from "not there".
#pragma once

#include <sys/stat.h>

#include <cerrno>
#include <filesystem>

#include "core/error.h"

namespace valley {

// Links are followed; not_found where nothing is there, also at the end of a dangling link. Every
// other failure is file_error's Error naming `path`: no permission, a loop of links, a failing
// disk.
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
