// Libraries loaded in this process. Two copies of one library have separate states and intercept
// each other's calls.
#pragma once

#include <string>
#include <vector>

namespace valley::doctor {

// The files of all shared objects of this process that define `symbol`, in the search order of the
// dynamic linker. The first one is used.
[[nodiscard]] std::vector<std::string> objects_that_define(const char* symbol);

}  // namespace valley::doctor
