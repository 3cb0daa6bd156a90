// Image codecs of this build. `valley doctor` and `valley --version` list them; files of a missing
// codec are rejected with the name of the package to install.
#pragma once

#include <string>
#include <vector>

namespace valley {

struct ImageCodec {
  std::string format;   // "JPEG", "PNG", "WebP"
  bool available;       // false: its library was not found when the program was configured
  std::string library;  // name and version, "libjpeg-turbo 2.1.5"; empty if not available
  std::string package;  // Debian package to install, "libjpeg-dev"
};

// In this order: JPEG, PNG, WebP.
[[nodiscard]] std::vector<ImageCodec> image_codecs();

}  // namespace valley
