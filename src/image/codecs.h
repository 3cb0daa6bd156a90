// The image codecs that this program was built with: `valley doctor` and `valley --version` show
// them, and a file whose codec is missing is rejected by the text that names the package.
#pragma once

#include <string>
#include <vector>

namespace valley {

struct ImageCodec {
  std::string format;   // "JPEG", "PNG", "WebP"
  bool available;       // false: left out when the program was configured
  std::string library;  // with its version, "libjpeg-turbo 2.1.5"; empty where not available
  std::string package;  // the Debian package to build with, "libjpeg-dev"
};

// In this order: JPEG, PNG, WebP.
[[nodiscard]] std::vector<ImageCodec> image_codecs();

}  // namespace valley
