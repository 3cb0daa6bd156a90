#include "tools/npy_header.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "core/little_endian.h"

namespace valley {

std::string npy_header(std::string_view type, const std::vector<std::uint64_t>& shape) {
  constexpr std::size_t kBefore = 10;
  constexpr std::size_t kAlignment = 64;
  std::string text = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}{}), }}",
                                 type, fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
  text.append(kAlignment - 1 - (kBefore + text.size()) % kAlignment, ' ');
  text += '\n';
  std::string header("\x93NUMPY\x01\x00", 8);
  append_little_endian(header, text.size(), 2);
  return header + text;
}

}  // namespace valley
