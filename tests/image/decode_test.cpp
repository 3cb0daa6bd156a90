#include "image/decode.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "encoded_images.h"
#include "image/codecs.h"
#include "image/exif.h"

namespace valley {
namespace {

constexpr std::uint64_t kPixels = 1'000'000;

std::variant<Image, Reject> decode(std::string_view file, DecodeOptions options = {},
                                   std::uint64_t min_size = 1, std::uint64_t max_pixels = kPixels) {
  DecodeLimits limits(min_size, max_pixels);
  return decode_image(file, options, limits);
}

std::string reason(const std::variant<Image, Reject>& result) {
  const auto* reject = std::get_if<Reject>(&result);
  return reject == nullptr ? "none" : reject->reason;
}

TEST(Codecs, AllAreAvailableAndNameTheirLibraries) {
  const std::vector<ImageCodec> codecs = image_codecs();
  ASSERT_EQ(codecs.size(), 3U);
  EXPECT_EQ(codecs[0].format, "JPEG");
  EXPECT_TRUE(codecs[0].library.starts_with("libjpeg-turbo ")) << codecs[0].library;
  EXPECT_TRUE(codecs[1].library.starts_with("libpng 1.")) << codecs[1].library;
  EXPECT_TRUE(codecs[2].library.starts_with("libwebp ")) << codecs[2].library;
  for (const ImageCodec& codec : codecs) EXPECT_TRUE(codec.available) << codec.format;
}

TEST(Decode, LosslessFilesGiveTheirPixels) {
  for (const std::int64_t channels : {1, 3}) {
    const Image image = test_picture(13, 17, channels);
    EXPECT_EQ(std::get<Image>(decode(png_of(image))).pixels, image.pixels);
  }
  const Image image = test_picture(13, 17, 3);
  EXPECT_EQ(std::get<Image>(decode(webp_of(image, true))).pixels, image.pixels);
}

TEST(Decode, AlphaIsCompositedRoundingToNearest) {
  Image image(1, 4, 4);
  image.pixels = {200, 100, 0, 255, 200, 100, 0, 0, 200, 100, 0, 128, 255, 255, 255, 1};
  const std::string file = png_of(image);
  EXPECT_EQ(std::get<Image>(decode(file)).pixels,
            (std::vector<std::uint8_t>{200, 100, 0, 255, 255, 255, 227, 177, 127, 255, 255, 255}));
  EXPECT_EQ(std::get<Image>(decode(file, {.alpha = Alpha::kOnBlack})).pixels,
            (std::vector<std::uint8_t>{200, 100, 0, 0, 0, 0, 100, 50, 0, 1, 1, 1}));
  EXPECT_EQ(reason(decode(file, {.alpha = Alpha::kError})), "transparent");
}

TEST(Decode, TheSizeIsCheckedBeforeThePixels) {
  const Image image = test_picture(40, 50, 3);
  for (const std::string& file :
       {png_of(image), jpeg_of(image), jpeg_of(image, true), webp_of(image, false)}) {
    EXPECT_EQ(reason(decode(file, {}, 1, 1999)), "too large");
    EXPECT_EQ(reason(decode(file, {}, 40)), "none");
    EXPECT_EQ(reason(decode(file, {}, 41)), "too small");
  }
}

TEST(Decode, WorkingMemoryOfTheCodecCounts) {
  const Image image = test_picture(400, 500, 3);
  DecodeLimits baseline(1, 200'000);
  EXPECT_EQ(reason(decode_image(jpeg_of(image), {}, baseline)), "none");
  // At least six bytes per pixel: colors, and coefficients of 4:2:0 until the last scan.
  DecodeLimits progressive(1, 200'000);
  const auto result = decode_image(jpeg_of(image, true), {}, progressive);
  ASSERT_EQ(reason(result), "too large");
  EXPECT_NE(std::get<Reject>(result).detail.find("--max-pixels"), std::string::npos);
}

TEST(Exif, OrientationsMoveTheCorners) {
  // a b    as they lie in the file
  // c d
  // e f
  const auto shown = [](int orientation) {
    Image image(3, 2, 1);
    image.pixels = {'a', 'b', 'c', 'd', 'e', 'f'};
    const Image result = oriented(std::move(image), orientation);
    return std::to_string(result.width) + std::string(result.pixels.begin(), result.pixels.end());
  };
  EXPECT_EQ(shown(1), "2abcdef");
  EXPECT_EQ(shown(2), "2badcfe");
  EXPECT_EQ(shown(3), "2fedcba");
  EXPECT_EQ(shown(4), "2efcdab");
  EXPECT_EQ(shown(5), "3acebdf");
  EXPECT_EQ(shown(6), "3ecafdb");
  EXPECT_EQ(shown(7), "3fdbeca");
  EXPECT_EQ(shown(8), "3bdface");
}

TEST(Exif, ReadsBothByteOrdersAndNothingBeyondTheEnd) {
  using namespace std::string_literals;
  const std::string little = "II*\0\10\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0"s;
  const std::string big = "MM\0*\0\0\0\10\0\1\1\x12\0\3\0\0\0\1\0\7\0\0\0\0\0\0"s;
  EXPECT_EQ(exif_orientation(little), 6);
  EXPECT_EQ(exif_orientation(big), 7);
  EXPECT_EQ(exif_orientation(std::string(kExifPrefix) + big), 7);
  for (std::size_t end = 0; end < 18; ++end)
    EXPECT_EQ(exif_orientation(big.substr(0, end)), std::nullopt);
  EXPECT_EQ(exif_orientation("II*\0\xFF\xFF\xFF\xFF"s), std::nullopt);
  std::string nine = big;
  nine[19] = 9;
  EXPECT_EQ(exif_orientation(nine), 1);
}

// Flipped bits, changed bytes, truncation: the decoders return for any content. Built with
// -DVALLEY_SANITIZE=ON, this also checks that they stay within their memory.
TEST(Decode, SurvivesMutatedFiles) {
  const Image rgb = test_picture(24, 40, 3);
  const Image rgba = test_picture(24, 40, 4);
  const std::vector<std::string> files{
      png_of(rgb),         png_of(rgba),        png_of(test_picture(24, 40, 2)),
      jpeg_of(rgb),        jpeg_of(rgb, true),  jpeg_of(test_picture(24, 40, 1)),
      jpeg_of(rgba, true), webp_of(rgb, false), webp_of(rgba, false),
      webp_of(rgba, true)};
  std::uint64_t decoded = 0;
  std::uint64_t rejected = 0;
  for (std::uint64_t round = 0; round < 1000; ++round) {
    for (std::size_t f = 0; f < files.size(); ++f) {
      std::string file = files[f];
      const std::uint64_t draw = hash64(round, f, 0);
      // Headers have more ways to fail than pixels.
      const std::size_t reach =
          draw % 2 == 0 ? std::min<std::size_t>(64, file.size()) : file.size();
      for (std::uint64_t i = 0; i <= draw / 2 % 3; ++i) {
        const std::uint64_t where = hash64(round, f, i + 1);
        file[where % reach] = static_cast<char>(
            where >> 40U & 1U ? where >> 48U : file[where % reach] ^ (1 << (where >> 48U & 7U)));
      }
      if (draw / 8 % 8 == 0) file.resize(hash64(draw, f, 9) % file.size());
      const auto result = decode(file);
      (std::holds_alternative<Image>(result) ? decoded : rejected) += 1;
    }
  }
  EXPECT_GT(decoded, 200U);
  EXPECT_GT(rejected, 200U);
}

TEST(MemoryBudget, ClaimWaitsUntilEnoughIsReleased) {
  MemoryBudget budget(100);
  budget.take(60);
  std::atomic<bool> has_taken = false;
  std::thread other([&] {
    budget.take(50);
    has_taken = true;
    budget.give_back(50);
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_FALSE(has_taken);
  budget.give_back(60);
  other.join();
  EXPECT_TRUE(has_taken);
  budget.take(1000);  // the only claim may exceed the budget
  budget.give_back(1000);
}

}  // namespace
}  // namespace valley
