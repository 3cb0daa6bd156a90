// Energies of one class following another, as a person writes them down.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>

namespace valley::app {

// A CSV file of `classes` lines of as many numbers: row a, column b is the energy of class b right
// after class a; "inf" rules it out. Returns double [classes, classes]. Errors: kMissingInput, and
// kData naming the file and the line.
[[nodiscard]] at::Tensor read_transitions(const std::filesystem::path& file, std::int64_t classes);

}  // namespace valley::app
