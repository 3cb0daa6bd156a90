#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "core/atomic_file.h"
#include "core/error.h"
#include "sources/codepoints.h"
#include "sources/font_face.h"
#include "sources/font_source.h"
#include "sources/tiny_font.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

// An 8 x 8 bitmap font in the BDF format: "A" is a left half that is set, "B" one pixel.
constexpr const char* kBdf = R"(STARTFONT 2.1
FONT -test-test-medium-r-normal--8-80-75-75-c-80-iso10646-1
SIZE 8 75 75
FONTBOUNDINGBOX 8 8 0 0
STARTPROPERTIES 3
FONT_ASCENT 8
FONT_DESCENT 0
DEFAULT_CHAR 0
ENDPROPERTIES
CHARS 2
STARTCHAR A
ENCODING 65
SWIDTH 1000 0
DWIDTH 8 0
BBX 8 2 0 0
BITMAP
F0
F0
ENDCHAR
STARTCHAR B
ENCODING 66
SWIDTH 1000 0
DWIDTH 8 0
BBX 1 1 0 0
BITMAP
80
ENDCHAR
ENDFONT
)";

FontFace tiny_face(std::int64_t size, bool on_white = true) {
  return {std::make_shared<const std::string>(tiny_font::bytes()), "tiny", size, on_white};
}

Image drawn(const FontFace& face, char32_t codepoint) {
  std::variant<Image, Reject> result = face.render(face.glyph_of(codepoint));
  if (const auto* reject = std::get_if<Reject>(&result)) throw std::runtime_error(reject->detail);
  return std::get<Image>(std::move(result));
}

// Checks that exactly the given rectangle has ink.
void expect_rectangle(const Image& image, std::int64_t top, std::int64_t left, std::int64_t height,
                      std::int64_t width, int ink, int paper) {
  for (std::int64_t y = 0; y < image.height; ++y) {
    for (std::int64_t x = 0; x < image.width; ++x) {
      const bool is_inside = y >= top && y < top + height && x >= left && x < left + width;
      ASSERT_EQ(image.row(y)[x * image.channels], is_inside ? ink : paper) << y << ", " << x;
    }
  }
}

TEST(FontFace, OutlineIsOnTheBaselineAndCentered) {
  const Image image = drawn(tiny_face(100), U'A');
  ASSERT_EQ(image.height, 100);
  ASSERT_EQ(image.width, 100);
  ASSERT_EQ(image.channels, 1);
  expect_rectangle(image, 40, 30, 40, 40, 0, 255);  // the ascent of 800 units is 80 pixels
}

TEST(FontFace, OutlineReachesIntoTheDescent) {
  expect_rectangle(drawn(tiny_face(100), U'B'), 60, 30, 40, 40, 0, 255);
}

TEST(FontFace, BlackBackgroundHasWhiteInk) {
  expect_rectangle(drawn(tiny_face(100, false), U'A'), 40, 30, 40, 40, 255, 0);
}

TEST(FontFace, CellGrowsAboutItsCenterToHoldAllInk) {
  const Image image = drawn(tiny_face(100), U'C');  // 120 pixels high, 40 of them above the cell
  ASSERT_EQ(image.height, 180);
  ASSERT_EQ(image.width, 180);
  expect_rectangle(image, 0, 75, 120, 30, 0, 255);
}

TEST(FontFace, SizeFollowsTheResolution) {
  expect_rectangle(drawn(tiny_face(50), U'A'), 20, 15, 20, 20, 0, 255);
}

TEST(FontFace, DetectsGlyphsWithInk) {
  const FontFace face = tiny_face(32);
  EXPECT_TRUE(face.has_ink(face.glyph_of(U'A')));
  EXPECT_FALSE(face.has_ink(face.glyph_of(U' ')));
  EXPECT_EQ(face.glyph_of(U'Z'), 0U);
  EXPECT_EQ(std::get<Reject>(face.render(face.glyph_of(U' '))).reason, "empty");
}

TEST(FontFace, GiantGlyphsAreRejectedBeforeTheyAreDrawn) {
  const FontFace face = tiny_face(4096);
  EXPECT_EQ(std::get<Reject>(face.render(face.glyph_of(U'X'))).reason, "too large");
}

TEST(FontFace, MonochromeBitmapsAreNotScaled) {
  const FontFace face(std::make_shared<const std::string>(kBdf), "bdf", 64, true);
  const Image image = drawn(face, U'A');
  ASSERT_EQ(image.height, 2);
  ASSERT_EQ(image.width, 8);
  expect_rectangle(image, 0, 0, 2, 4, 0, 255);
}

TEST(FontFace, DamagedFilesAreRejectedByName) {
  for (const std::string& bytes : {std::string(), std::string("no font"), std::string(5000, 'x')}) {
    try {
      const FontFace face(std::make_shared<const std::string>(bytes), "bad.ttf", 64, true);
      FAIL() << "accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kData);
      EXPECT_NE(std::string(error.what()).find("bad.ttf is not a font"), std::string::npos);
    }
  }
}

TEST(FontFace, TruncationsAndFlippedBytesDoNotCrash) {
  const std::string good = tiny_font::bytes();
  const auto use = [](std::string bytes) {
    try {
      const FontFace face(std::make_shared<const std::string>(std::move(bytes)), "x", 16, true);
      for (std::uint32_t glyph = 0; glyph < std::min(face.glyph_count(), 16U); ++glyph)
        static_cast<void>(face.render(glyph));
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kData);
    }
  };
  for (std::size_t i = 0; i < good.size(); i += 3) {
    use(good.substr(0, i));
    std::string flipped = good;
    flipped[i] = static_cast<char>(flipped[i] ^ 0x5A);
    use(flipped);
  }
}

class FontSourceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) / fmt::format("valley-font-{}", ::getpid());
    fs::create_directories(folder_ / "a/b");
    write_file(folder_ / "a/b/Tiny.ttf", tiny_font::bytes());
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_;
};

TEST_F(FontSourceTest, WithoutCodepointsContainsEveryGlyphWithInk) {
  const FontSource source(folder_ / "a/b/Tiny.ttf", {.size = 32});
  ASSERT_EQ(source.size(), 4U);  // neither the space nor glyph 0
  EXPECT_EQ(source.name(0), "U+0041");
  EXPECT_EQ(source.name(2), "U+0043");
  EXPECT_EQ(source.label(0), -1);
}

TEST_F(FontSourceTest, CodepointsKeepTheirOrderAndMissingOnesAreRejectedWithAReason) {
  const FontSource source(folder_ / "a/b/Tiny.ttf",
                          {.size = 32, .codepoints = {U'B', U'Z', U' ', U'A'}});
  ASSERT_EQ(source.size(), 4U);
  EXPECT_EQ(source.name(1), "U+005A");
  const std::unique_ptr<ImageReader> reader = source.open_reader();
  EXPECT_TRUE(std::holds_alternative<Image>(reader->load(0)));
  EXPECT_EQ(std::get<Reject>(reader->load(1)).reason, "no glyph");
  EXPECT_EQ(std::get<Reject>(reader->load(2)).reason, "empty");
  EXPECT_TRUE(std::holds_alternative<Image>(reader->load(3)));
}

TEST_F(FontSourceTest, IdentityNamesTheContentButNoFolder) {
  const FontSource source(folder_ / "a/b/Tiny.ttf", {.size = 32});
  const std::string identity = source.identity_json();
  EXPECT_NE(identity.find("\"sha256\""), std::string::npos);
  EXPECT_NE(identity.find("Tiny.ttf"), std::string::npos);
  EXPECT_EQ(identity.find(folder_.string()), std::string::npos);
}

TEST_F(FontSourceTest, BareNamesAreFoundInFolders) {
  EXPECT_EQ(find_font("Tiny.ttf", {folder_ / "none", folder_}), folder_ / "a/b/Tiny.ttf");
  const std::string path = (folder_ / "a/b/Tiny.ttf").string();
  EXPECT_EQ(find_font(path, {}), path);
}

std::string message_of_missing(const std::string& name, const std::vector<fs::path>& folders) {
  try {
    static_cast<void>(find_font(name, folders));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kMissingInput);
    return error.what();
  }
  return "found";
}

TEST_F(FontSourceTest, MissingFontErrorNamesSearchedFoldersAndPackage) {
  const std::string emoji = message_of_missing("NotoColorEmoji.ttf", {folder_, "/no/such"});
  EXPECT_NE(emoji.find(folder_.string()), std::string::npos);
  EXPECT_NE(emoji.find("/no/such"), std::string::npos);
  EXPECT_NE(emoji.find("fonts-noto-color-emoji"), std::string::npos);
  const std::string other = message_of_missing("x/Other.ttf", {folder_});
  EXPECT_EQ(other.find("searched"), std::string::npos);  // a path is not searched in other folders
  EXPECT_EQ(other.find("fonts-noto"), std::string::npos);
}

// Data of the quickstart; launch/setup.sh installs the package.
class NotoColorEmoji : public ::testing::Test {
 protected:
  void SetUp() override {
    try {
      path_ = find_font("NotoColorEmoji.ttf");
    } catch (const Error&) {
      GTEST_SKIP() << "fonts-noto-color-emoji is not installed";
    }
  }
  fs::path path_;
};

TEST_F(NotoColorEmoji, HasAllItsColorImages) {
  const FontSource source(path_, {});
  EXPECT_GT(source.size(), 3000U);  // 3,926 in version 2.042
  std::set<std::string> names;
  std::uint64_t sequences = 0;
  for (std::uint64_t i = 0; i < source.size(); ++i) {
    names.insert(source.name(i));
    sequences += source.name(i).starts_with("glyph-") ? 1U : 0U;
  }
  EXPECT_EQ(names.size(), source.size());
  EXPECT_GT(sequences, 1000U);  // flags, families, skin tones
  EXPECT_TRUE(names.contains("U+1F600"));
}

TEST_F(NotoColorEmoji, TheFacesOfTheQuickstartAreAllThere) {
  const FontSource source(
      path_, {.codepoints = parse_codepoints(
                  "2639-263A,1F600-1F637,1F641-1F644,1F910-1F917,1F920-1F925,1F927-1F92F,"
                  "1F970-1F976,1F978-1F97A,1F9D0,1FAE0-1FAE8")});
  ASSERT_EQ(source.size(), 105U);
  const std::unique_ptr<ImageReader> reader = source.open_reader();
  for (std::uint64_t i = 0; i < source.size(); ++i) {
    const std::variant<Image, Reject> face = reader->load(i);
    ASSERT_TRUE(std::holds_alternative<Image>(face)) << source.name(i);
    const Image& image = std::get<Image>(face);
    ASSERT_EQ(image.channels, 3);
    ASSERT_EQ(image.height, 128);
    ASSERT_EQ(image.width, 136);
  }
}

TEST_F(NotoColorEmoji, TransparencyShowsTheBackground) {
  for (const bool on_white : {true, false}) {
    const FontSource source(path_, {.on_white = on_white, .codepoints = {0x1F600}});
    const Image image = std::get<Image>(source.open_reader()->load(0));
    const std::uint8_t* corner = image.row(0);
    const std::uint8_t* middle = image.row(64) + 3 * 68;
    for (int c = 0; c < 3; ++c) EXPECT_EQ(corner[c], on_white ? 255 : 0);
    EXPECT_GT(middle[0], 200);  // a yellow face: high red, low blue
    EXPECT_LT(middle[2], 150);
  }
}

}  // namespace
}  // namespace valley
