#include "record/grid_size.h"

#include <charconv>

namespace valley {

Grid parse_grid(const std::string& text, const std::string& what, ExitCode code, int max) {
  Grid grid;
  const char* end = text.data() + text.size();
  const auto [x, first] = std::from_chars(text.data(), end, grid.columns);
  const bool split = first == std::errc() && x != end && *x == 'x';
  const auto [rest, second] = std::from_chars(split ? x + 1 : end, end, grid.rows);
  if (!split || second != std::errc() || rest != end || grid.columns < 1 || grid.rows < 1 ||
      grid.columns > max || grid.rows > max) {
    throw Error(code, "{} is \"{}\"; it is columns x rows, each from 1 to {}, such as 8x8", what,
                text, max);
  }
  return grid;
}

}  // namespace valley
