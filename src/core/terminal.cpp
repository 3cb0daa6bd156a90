#include "core/terminal.h"

#include <unistd.h>

#include <cstdlib>
#include <string_view>

namespace valley {

bool is_capable_terminal(int descriptor) {
  const char* kind = std::getenv("TERM");
  return ::isatty(descriptor) == 1 && kind != nullptr && std::string_view(kind) != "dumb";
}

}  // namespace valley
