// Version of the loaded HDF5 library.
#pragma once

#include <string>

namespace valley {

[[nodiscard]] std::string hdf5_version();  // "1.10.8"

}  // namespace valley
