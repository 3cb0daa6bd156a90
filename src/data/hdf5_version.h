// Which HDF5 the program runs with.
#pragma once

#include <string>

namespace valley {

[[nodiscard]] std::string hdf5_version();  // "1.10.8", of the library as loaded

}  // namespace valley
