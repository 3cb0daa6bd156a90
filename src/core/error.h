// The one exception type of Valley and the exit codes that it carries.
//
// An Error reports a user's mistake or a failure of the system; its message names the file, key or
// rank and what to do. `main` catches it, prints it once and ends the job with its code. Every
// other exception is a bug and ends with ExitCode::kInternal.
#pragma once

#include <fmt/core.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace valley {

enum class ExitCode : int {
  kDone = 0,
  kInternal = 1,       // unexpected exception: a bug
  kUsage = 2,          // wrong command line
  kConfig = 64,        // bad config
  kData = 65,          // bad data or checkpoint
  kMissingInput = 66,  // an input that does not exist or cannot be read
  kDiverged = 70,      // a loss or gradient is not finite
  kOutOfMemory = 71,
  kCorrupted = 72,     // ranks computed different results: memory or a processor is faulty
  kCannotWrite = 73,   // disk full, quota, permission
  kIo = 74,            // storage failure
  kStoppedEarly = 75,  // stopped with a checkpoint: resume
  kRankLost = 76,      // a rank was lost or hung
};

class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}

  template <typename... Args>
  Error(ExitCode code, fmt::format_string<Args...> format, Args&&... args)
      : Error(code, fmt::format(format, std::forward<Args>(args)...)) {}

  [[nodiscard]] ExitCode code() const noexcept { return code_; }

 private:
  ExitCode code_;
};

// The cause of a failed system call on a path.
enum class FileFault {
  kPath,     // this path only: missing, no permission, a loop of links, name too long
  kLimit,    // limit of the process or file system: space, quota, read-only, open files, memory
  kStorage,  // disk, server or network: other paths fail too, a later attempt may succeed
};
// kStorage for every error number that is neither of the others, also for unknown ones.
[[nodiscard]] FileFault fault_of(int error_number);

// The error for a failed system call on `path`: kIo for FileFault::kStorage, else kMissingInput
// when reading and kCannotWrite when writing. `doing` is a phrase such as "opening" or "writing
// 4096 bytes to".
[[nodiscard]] Error file_error(const std::string& doing, const std::string& path, int error_number,
                               bool writing);

// Advice for an errno, "; the disk is full: free some space ..."; "" where there is none.
[[nodiscard]] const char* way_out(int error_number);
// Advice for the end of a message about a path that starts with "~", which only a shell replaces:
// "; ...". Empty for other paths.
[[nodiscard]] std::string tilde_hint(const std::string& path);

// Throws std::logic_error with file and line: only a bug gets here.
[[noreturn]] void fail_check(const char* expression, const char* file, int line);

}  // namespace valley

#define VALLEY_CHECK(expression) \
  ((expression) ? static_cast<void>(0) : ::valley::fail_check(#expression, __FILE__, __LINE__))
