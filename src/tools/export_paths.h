// Paths of exported images: safe on every system, and near the names of the images.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace valley {

// A path per name, relative, with '/', ending in .png. No two are equal, also without regard to
// case, and none is the folder of another. Hidden parts, "..", and characters that some system does
// not allow are replaced; a name that is such a path already keeps it.
[[nodiscard]] std::vector<std::string> export_paths(const std::vector<std::string>& names);

}  // namespace valley
