// Headers of NumPy's .npy files.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace valley {

// Header of version 1.0 for a row-major array: a Python dictionary, padded to a multiple of 64
// bytes. `type`: NumPy's descr, such as "|u1".
[[nodiscard]] std::string npy_header(std::string_view type,
                                     const std::vector<std::uint64_t>& shape);

}  // namespace valley
