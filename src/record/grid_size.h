// Sizes of image grids, written as "8x8".
#pragma once

#include <cstdint>
#include <string>

#include "core/error.h"

namespace valley {

struct Grid {
  std::int64_t columns = 8;
  std::int64_t rows = 8;
};

// "8x8": columns x rows, each from 1 to `max`. Error with `code` naming `what` otherwise.
[[nodiscard]] Grid parse_grid(const std::string& text, const std::string& what,
                              ExitCode code = ExitCode::kConfig, int max = 64);

}  // namespace valley
