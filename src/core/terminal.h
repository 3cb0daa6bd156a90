// What stands behind an output of the program.
#pragma once

namespace valley {

// Whether it is a terminal on which a line can be redrawn and coloured: not a file, a pipe, or one
// that says TERM=dumb.
[[nodiscard]] bool is_capable_terminal(int descriptor);

}  // namespace valley
