#include "data/hdf5_version.h"

#include <fmt/core.h>
#include <hdf5.h>

namespace valley {

std::string hdf5_version() {
  unsigned major = 0;
  unsigned minor = 0;
  unsigned release = 0;
  return H5get_libversion(&major, &minor, &release) < 0
             ? "unknown"
             : fmt::format("{}.{}.{}", major, minor, release);
}

}  // namespace valley
