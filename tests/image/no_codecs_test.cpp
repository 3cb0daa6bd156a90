// Linked with no_jpeg.cpp and no_webp.cpp, like a program that was configured without the codecs.
#include <gtest/gtest.h>

#include "core/error.h"
#include "image/codecs.h"
#include "image/decode.h"
#include "image/jpeg_encoder.h"

namespace valley {
namespace {

TEST(NoCodecs, FilesAreRejectedNamingThePackage) {
  using namespace std::string_literals;
  DecodeLimits limits(1, 1000);
  const auto jpeg = std::get<Reject>(decode_image("\xFF\xD8\xFF\xE0"s, {}, limits));
  EXPECT_EQ(jpeg.reason, "codec missing");
  EXPECT_NE(jpeg.detail.find("libjpeg-dev"), std::string::npos) << jpeg.detail;
  const auto webp = std::get<Reject>(decode_image("RIFF\4\0\0\0WEBPVP8 "s, {}, limits));
  EXPECT_EQ(webp.reason, "codec missing");
  EXPECT_NE(webp.detail.find("libwebp-dev"), std::string::npos) << webp.detail;
}

TEST(NoCodecs, EncodingNamesThePackage) {
  try {
    static_cast<void>(encode_jpeg(Image(8, 8, 3), 95));
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    EXPECT_NE(std::string(error.what()).find("libjpeg-dev"), std::string::npos) << error.what();
  }
}

TEST(NoCodecs, ListNamesMissingCodecs) {
  const std::vector<ImageCodec> codecs = image_codecs();
  EXPECT_FALSE(codecs[0].available);
  EXPECT_EQ(codecs[0].package, "libjpeg-dev");
  EXPECT_TRUE(codecs[1].available);
  EXPECT_FALSE(codecs[2].available);
}

}  // namespace
}  // namespace valley
