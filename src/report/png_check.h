// Finds damage in the PNG files of a run, which browsers would show as another image or none.
#pragma once

#include <string_view>

namespace valley::report {

// True if `png` is a signature and chunks with their checksums, from IHDR to IEND, and nothing
// else. Pixels are not decoded.
[[nodiscard]] bool is_whole_png(std::string_view png);

}  // namespace valley::report
