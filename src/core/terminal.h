// Type of an output of the program.
#pragma once

namespace valley {

// True for a terminal that can redraw and color a line: not a file, a pipe or TERM=dumb.
[[nodiscard]] bool is_capable_terminal(int descriptor);

}  // namespace valley
