#include "record/canvas.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/read_file.h"
#include "record/bitmap_font.h"
#include "support/temporary_folder.h"

namespace valley {
namespace {

// Rows of a canvas: '#' for pixels that are not background.
std::vector<std::string> rows_of(const Canvas& canvas) {
  std::vector<std::string> rows;
  for (std::int64_t y = 0; y < canvas.height(); ++y) {
    rows.emplace_back();
    for (std::int64_t x = 0; x < canvas.width(); ++x)
      rows.back() += canvas.at(x, y) == kWhite ? '.' : '#';
  }
  return rows;
}

using Rows = std::vector<std::string>;

TEST(Canvas, IsItsBackground) {
  const Canvas canvas(3, 2, kOrange);
  EXPECT_EQ(canvas.width(), 3);
  EXPECT_EQ(canvas.height(), 2);
  EXPECT_EQ(canvas.at(2, 1), kOrange);
  EXPECT_THROW(static_cast<void>(canvas.at(3, 0)), std::logic_error);
}

TEST(Canvas, FillsAreClippedAndBlended) {
  Canvas canvas(4, 3);
  canvas.fill_rect(-5, 1, 7, 1, kBlack);
  EXPECT_EQ(rows_of(canvas), (Rows{"....", "##..", "...."}));
  canvas.fill_rect(2, 1, 100, 100, kBlack);
  EXPECT_EQ(rows_of(canvas), (Rows{"....", "####", "..##"}));
  canvas.fill_rect(0, 0, 1, 1, {0, 100, 255}, 0.5);
  EXPECT_EQ(canvas.at(0, 0), (Color{128, 178, 255}));
  canvas.fill_rect(9, 9, 2, 2, kBlack);
  canvas.fill_rect(0, 0, 0, 5, kBlack);
  EXPECT_EQ(canvas.at(1, 0), kWhite);
}

TEST(Canvas, LinesHaveBothEndsInEveryDirection) {
  Canvas canvas(5, 5);
  canvas.line(0, 0, 4, 2, kBlack);
  EXPECT_EQ(rows_of(canvas), (Rows{"#....", ".##..", "...##", ".....", "....."}));
  Canvas steep(3, 4);
  steep.line(2, 3, 0, 0, kBlack);
  EXPECT_EQ(rows_of(steep), (Rows{"#..", ".#.", ".#.", "..#"}));
  Canvas point(2, 2);
  point.line(1, 1, 1, 1, kBlack);
  point.line(0, 5, 9, 5, kBlack);
  EXPECT_EQ(rows_of(point), (Rows{"..", ".#"}));
}

TEST(Canvas, ImagesAreZoomedAndKeepTheirColors) {
  const std::vector<std::uint8_t> rgb = {1, 2, 3, 4, 5, 6};
  Canvas canvas(6, 3);
  canvas.blit(1, 0, {rgb, 1, 2, 3}, 2);
  EXPECT_EQ(canvas.at(0, 0), kWhite);
  EXPECT_EQ(canvas.at(1, 0), (Color{1, 2, 3}));
  EXPECT_EQ(canvas.at(2, 1), (Color{1, 2, 3}));
  EXPECT_EQ(canvas.at(4, 1), (Color{4, 5, 6}));
  EXPECT_EQ(canvas.at(4, 2), kWhite);
  EXPECT_EQ(canvas.at(5, 1), kWhite);
  const std::vector<std::uint8_t> gray = {7, 8};
  canvas.blit(5, 1, {gray, 2, 1, 1});
  EXPECT_EQ(canvas.at(5, 2), (Color{8, 8, 8}));
  EXPECT_THROW(canvas.blit(0, 0, {gray, 2, 2, 1}), std::logic_error);
}

TEST(Canvas, WritesLettersAtTheirPlaceAndScale) {
  Canvas canvas(12, 9);
  canvas.text(0, 1, "Lj", kBlack);
  EXPECT_EQ(rows_of(canvas),
            (Rows{"............", "#........#..", "#...........", "#.......##..", "#........#..",
                  "#........#..", "#........#..", "#####....#..", ".......##..."}));
  Canvas large(10, 16);
  large.text(0, 0, "L", kBlack, 2);
  EXPECT_EQ(large.at(1, 13), kBlack);
  EXPECT_EQ(large.at(9, 12), kBlack);
  EXPECT_EQ(large.at(2, 11), kWhite);
}

TEST(Canvas, TextHasTheComputedWidth) {
  EXPECT_EQ(text_width(""), 0);
  EXPECT_EQ(text_width("#"), 5);
  EXPECT_EQ(text_width("##", 3), 33);
  EXPECT_EQ(text_height(2), 16);
  EXPECT_EQ(cut_to_width("energy", text_width("energy")), "energy");
  EXPECT_EQ(cut_to_width("energies", text_width("energy")), "ene...");
  EXPECT_EQ(cut_to_width("energies", 0), "...");
}

// Two letters of the same shape would be ambiguous.
TEST(BitmapFont, EveryCharacterHasADifferentShape) {
  std::set<std::string> shapes;
  for (int code = ' '; code <= '~' + 1; ++code) {  // one beyond: the box of unknown characters
    std::string shape;
    for (std::int64_t y = 0; y < kGlyphHeight; ++y)
      for (std::int64_t x = 0; x < kGlyphWidth; ++x)
        shape += glyph_dot(static_cast<char>(code), x, y) ? '#' : '.';
    EXPECT_EQ(shape.find('#') == std::string::npos, code == ' ') << code;
    EXPECT_TRUE(shapes.insert(shape).second) << static_cast<char>(code);
  }
  EXPECT_TRUE(glyph_dot('\xC3', 0, 0));
  EXPECT_FALSE(glyph_dot('#', 5, 2));
}

TEST(Canvas, EqualImagesGiveEqualFiles) {
  const TemporaryFolder folder;
  for (const char* name : {"a.png", "b.png"}) {
    Canvas canvas(40, 20);
    canvas.text(2, 2, "E(x)", kBlue, 2);
    const Png png = canvas.save(folder / name);
    EXPECT_EQ(png.width, 40);
    EXPECT_EQ(png.height, 20);
    EXPECT_EQ(png.channels, 3);
  }
  EXPECT_EQ(read_file(folder / "a.png"), read_file(folder / "b.png"));
}

TEST(Canvas, TooLargeImageIsRejected) {
  try {
    const Canvas canvas(1'000'001, 1);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kConfig);
    EXPECT_NE(std::string(error.what()).find("1000001 x 1"), std::string::npos);
  }
}

}  // namespace
}  // namespace valley
