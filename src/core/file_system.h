// Operations that a file system lacks, told apart from operations that fail.
#pragma once

#include <string>

namespace valley {

// True for an errno by which a file system or kernel says that it has no such operation (flushing,
// locks): the caller does without it. EIO, ENOSPC and the like are failures.
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
