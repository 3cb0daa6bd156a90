// For the comparison with Pillow: reads paths from stdin, each ended by NUL, and answers each on
// stdout with "H W C", a newline and the decoded pixels, or with "- REASON: DETAIL" and a newline.
#include <cstdio>
#include <exception>
#include <string>
#include <variant>

#include "core/read_file.h"
#include "image/decode.h"

namespace {

bool read_path(std::string& path) {
  path.clear();
  for (int c = std::getchar(); c != EOF; c = std::getchar()) {
    if (c == 0) return true;
    path += static_cast<char>(c);
  }
  return false;
}

std::variant<valley::Image, valley::Reject> decode_file(const std::string& path) {
  constexpr std::uint64_t kMaxPixels = 64'000'000;
  valley::DecodeLimits limits(1, kMaxPixels);
  try {
    return valley::decode_image(valley::read_file(path), {}, limits);
  } catch (const std::exception& error) {
    return valley::Reject{"cannot be read", error.what()};
  }
}

void answer(const std::string& path) {
  const auto decoded = decode_file(path);
  if (const auto* image = std::get_if<valley::Image>(&decoded)) {
    std::printf("%lld %lld %lld\n", static_cast<long long>(image->height),
                static_cast<long long>(image->width), static_cast<long long>(image->channels));
    std::fwrite(image->pixels.data(), 1, image->pixels.size(), stdout);
  } else {
    const auto& reject = std::get<valley::Reject>(decoded);
    std::printf("- %s: %s\n", reject.reason.c_str(), reject.detail.c_str());
  }
  std::fflush(stdout);
}

}  // namespace

int main() {
  for (std::string path; read_path(path);) answer(path);
  return 0;
}
