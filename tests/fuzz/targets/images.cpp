// JPEG, PNG and WebP files, with EXIF, as `valley shard build` decodes them.
#include "core/error.h"
#include "fuzz_input.h"
#include "image/decode.h"

namespace valley::fuzz {

void run(std::string_view input) {
  constexpr std::uint64_t kMaxPixels = 1 << 16;
  for (const Alpha alpha : {Alpha::kOnWhite, Alpha::kKeep}) {
    DecodeLimits limits(1, kMaxPixels);
    const std::variant<Image, Reject> decoded = decode_image(input, {alpha, true}, limits);
    const auto* const image = std::get_if<Image>(&decoded);
    if (image == nullptr) continue;
    VALLEY_CHECK(image->height > 0 && image->width > 0 &&
                 image->pixels.size() ==
                     static_cast<std::size_t>(image->height * image->width * image->channels));
  }
}

}  // namespace valley::fuzz
