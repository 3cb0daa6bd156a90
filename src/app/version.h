// The text of `valley --version`: versions of the program and of its libraries.
#pragma once

#include <string>

namespace valley::app {

[[nodiscard]] std::string version_text();  // several lines

}  // namespace valley::app
