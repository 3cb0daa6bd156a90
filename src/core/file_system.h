// Distinguishes operations that a file system does not support from operations that fail.
#pragma once

#include <string>

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

}  // namespace valley
