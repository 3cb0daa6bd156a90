// Bytes as hexadecimal digits, for comparison with output of other programs.
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>

namespace valley {

inline std::string hex(std::string_view bytes) {
  std::string digits;
  for (const char c : bytes) digits += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return digits;
}

}  // namespace valley
