// For the comparison with Pillow: reads "FILTER H W C OUT_H OUT_W" and the pixels from stdin,
// writes the resampled pixels to stdout, again and again until the input ends.
#include <cstdio>
#include <exception>

#include "image/resample.h"

namespace {

bool answer_one() {
  char filter[16];
  long long h = 0;
  long long w = 0;
  long long c = 0;
  long long out_h = 0;
  long long out_w = 0;
  if (std::scanf("%15s %lld %lld %lld %lld %lld", filter, &h, &w, &c, &out_h, &out_w) != 6)
    return false;
  std::getchar();  // the newline before the pixels
  valley::Image image(h, w, c);
  if (std::fread(image.pixels.data(), 1, image.pixels.size(), stdin) != image.pixels.size())
    return false;
  const valley::Image result = valley::resample(image, out_h, out_w, valley::parse_filter(filter));
  std::fwrite(result.pixels.data(), 1, result.pixels.size(), stdout);
  std::fflush(stdout);
  return true;
}

}  // namespace

int main() {
  try {
    while (answer_one()) {
    }
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "resample_tool: %s\n", error.what());
    return 1;
  }
}
