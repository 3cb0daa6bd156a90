// Distinguishes operations that a file system does not support from operations that fail.
#pragma once

#include <string>
#include <string_view>

namespace valley {

// True for an errno that means that the file system or kernel does not support an operation
// (flushing, locks); callers continue without it. EIO, ENOSPC and the like are failures.
[[nodiscard]] bool is_unsupported(int error_number);

// The same for flock(); ENOLCK and EREMOTEIO, of servers without a lock manager, count too.
[[nodiscard]] bool has_no_locks(int error_number);

// strerror(), and a text for ENOTSUPP (524), which kernel modules return and C libraries do not
// know.
[[nodiscard]] std::string error_text(int error_number);

// fsync() of a file. Warns once per process where the file system cannot flush; Error (kCannotWrite
// or kIo) naming `path` where flushing fails.
void flush_file(int descriptor, const std::string& path);

// Writes `content` to an open file and closes it, without a flush. Returns 0, or the errno of the
// first failure.
[[nodiscard]] int write_and_close(int descriptor, std::string_view content);

// Flushes the file system that holds `folder`: for many files this costs less than a flush of each.
// Nothing where that is not supported; Error (kCannotWrite or kIo) naming it where flushing fails.
void flush_file_system(const std::string& folder);

}  // namespace valley
