// Which libraries the process holds: two copies of one keep states of their own and take each
// other's calls.
#pragma once

#include <string>
#include <vector>

namespace valley::doctor {

// The files of all shared objects of this process that define `symbol` themselves, in the order in
// which the dynamic linker searches them: the first is the one that is used.
[[nodiscard]] std::vector<std::string> objects_that_define(const char* symbol);

}  // namespace valley::doctor
