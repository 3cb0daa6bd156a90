// Reads a whole file within a size limit. Never waits for a device, and for a pipe only where the
// caller accepts pipes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "core/error.h"

namespace valley {

inline constexpr std::uint64_t kMaxTextBytes = std::uint64_t{1} << 30U;  // 1 GiB

struct ReadRules {
  std::uint64_t max_bytes = kMaxTextBytes;
  // Accepts pipes, such as <(command) or a named pipe, and reads them until the writer closes them.
  bool takes_pipes = false;
  ExitCode too_large = ExitCode::kData;  // the code of an Error about more than max_bytes
};

// The bytes of `path`, opened and read once. Errors: kMissingInput for a file that is missing, a
// directory, a device, a socket, or a pipe without `takes_pipes`; `too_large` beyond the limit;
// kIo.
[[nodiscard]] std::string read_file(const std::filesystem::path& path, const ReadRules& rules = {});

// Opens a regular file for reading and returns its descriptor, which the caller closes. Errors as
// of read_file; never waits for the writer of a pipe.
[[nodiscard]] int open_regular_file(const std::filesystem::path& path);

}  // namespace valley
