#include "core/error.h"

#include <cerrno>
#include <cstring>

namespace valley {
namespace {

ExitCode code_of(int error_number, bool writing) {
  switch (error_number) {
    case EIO:
    case ESTALE:
    case ETIMEDOUT:
      return ExitCode::kIo;
    default:
      return writing ? ExitCode::kCannotWrite : ExitCode::kMissingInput;
  }
}

const char* way_out(int error_number) {
  switch (error_number) {
    case ENOSPC:
      return "; the disk is full: free some space or choose another place, then run again";
    case EDQUOT:
      return "; the quota is used up: free some space or choose another place, then run again";
    case EACCES:
    case EPERM:
      return "; check the permissions of the file and its folder";
    case EROFS:
      return "; the file system is mounted read-only";
    default:
      return "";
  }
}

}  // namespace

Error file_error(const std::string& doing, const std::string& path, int error_number,
                 bool writing) {
  return {code_of(error_number, writing), "{} {}: {}{}",        doing, path,
          std::strerror(error_number),    way_out(error_number)};
}

void fail_check(const char* expression, const char* file, int line) {
  throw std::logic_error(
      fmt::format("{}:{}: this should hold but does not: {}", file, line, expression));
}

}  // namespace valley
