// What `valley --version` says: the program's version and what it was built with.
#pragma once

#include <string>

namespace valley::app {

[[nodiscard]] std::string version_text();  // one line a component

}  // namespace valley::app
