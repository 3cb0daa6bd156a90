#include "core/error.h"

#include <cerrno>

#include "core/file_system.h"

namespace valley {
namespace {

ExitCode code_of(int error_number, bool writing) {
  if (fault_of(error_number) == FileFault::kStorage) return ExitCode::kIo;
  return writing ? ExitCode::kCannotWrite : ExitCode::kMissingInput;
}

}  // namespace

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
    case EFBIG:
      return "; raise the limit on the size of files (ulimit -f), or write to a file system that "
             "holds larger ones";
    case EMFILE:
      return "; raise the limit on open files of a process (ulimit -n)";
    case ENFILE:
      return "; the host has no more open files: close other programs, or raise fs.file-max";
    case ELOOP:
      return "; its symbolic links form a loop: remove them, or name another file";
    default:
      return "";
  }
}

FileFault fault_of(int error_number) {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case EACCES:
    case EPERM:
    case ELOOP:
    case ENAMETOOLONG:
    case EILSEQ:  // a name that the file system cannot hold
    case EEXIST:
    case ENOTEMPTY:
    case EXDEV:
    case EOVERFLOW:
      return FileFault::kPath;
    case ENOSPC:
    case EDQUOT:
    case EROFS:
    case EFBIG:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EMLINK:
    case EBUSY:
    case ETXTBSY:
    case EAGAIN:
    case EINTR:
    case EINVAL:
    case ENOSYS:
    case EOPNOTSUPP:
    case EPIPE:
    case ENOTTY:
    case ESPIPE:
    case EBADF:
      return FileFault::kLimit;
    default:
      return FileFault::kStorage;
  }
}

Error file_error(const std::string& doing, const std::string& path, int error_number,
                 bool writing) {
  const std::string advice = error_number == ENOENT ? tilde_hint(path) : way_out(error_number);
  return {code_of(error_number, writing), "{} {}: {}{}", doing, path,
          error_text(error_number),       advice};
}

std::string tilde_hint(const std::string& path) {
  if (!path.starts_with("~")) return "";
  return "; only a shell replaces \"~\" by the home directory, and only at the start of a word: "
         "write the path in full";
}

void fail_check(const char* expression, const char* file, int line) {
  throw std::logic_error(
      fmt::format("{}:{}: this should hold but does not: {}", file, line, expression));
}

}  // namespace valley
