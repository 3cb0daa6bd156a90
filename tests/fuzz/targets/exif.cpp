// The EXIF structure inside JPEG, PNG and WebP files.
#include "image/exif.h"

#include "core/error.h"
#include "fuzz_input.h"

namespace valley::fuzz {

void run(std::string_view input) {
  const std::optional<int> orientation = exif_orientation(input);
  VALLEY_CHECK(!orientation || (*orientation >= 1 && *orientation <= 8));
}

}  // namespace valley::fuzz
