#include "record/gif.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "core/little_endian.h"
#include "core/read_file.h"
#include "record/palette.h"
#include "support/temporary_folder.h"

namespace valley {
namespace {

// Reads `n` bytes of a GIF at a time.
class GifBytes {
 public:
  explicit GifBytes(std::string bytes) : bytes_(std::move(bytes)), rest_(bytes_) {}
  std::string_view take(std::size_t n) {
    const std::string_view taken = rest_.substr(0, n);
    EXPECT_EQ(taken.size(), n);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  std::size_t number(std::size_t bytes) { return little_endian(take(bytes)); }
  // The data of sub-blocks up to the empty one.
  std::string blocks() {
    std::string data;
    while (const std::size_t n = number(1)) data += take(n);
    return data;
  }

 private:
  std::string bytes_;
  std::string_view rest_;
};

// The reader's half of LZW, by GIF89a's appendix F.
std::string expand(const std::string& data, unsigned bits) {
  const unsigned clear = 1U << bits;
  std::vector<std::string> table;
  std::string out;
  std::string before;
  unsigned width = bits + 1;
  const auto reset = [&] {
    table.clear();
    for (unsigned i = 0; i < clear; ++i) table.emplace_back(1, static_cast<char>(i));
    table.resize(clear + 2);
    width = bits + 1;
    before.clear();
  };
  reset();
  for (std::size_t bit = 0; bit + width <= data.size() * 8;) {
    unsigned code = 0;
    for (unsigned i = 0; i < width; ++i, ++bit)
      code |= (static_cast<unsigned char>(data[bit / 8]) >> (bit % 8) & 1U) << i;
    if (code == clear + 1) return out;
    if (code == clear) {
      reset();
      continue;
    }
    EXPECT_LE(code, table.size());
    std::string text = code < table.size() ? table[code] : before + before[0];
    if (!before.empty() && table.size() < 4096) table.push_back(before + text[0]);
    if (table.size() == 1U << width && width < 12) ++width;
    out += text;
    before = std::move(text);
  }
  ADD_FAILURE() << "no end code";
  return out;
}

struct Frame {
  std::int64_t delay = 0;
  std::vector<std::uint8_t> pixels;  // RGB
};
struct Gif {
  std::size_t width = 0, height = 0;
  std::int64_t repetitions = -1;  // -1: no such block
  std::vector<Frame> frames;
};

void read_extension(GifBytes& bytes, Gif& gif, std::int64_t& delay) {
  const std::size_t label = bytes.number(1);
  const std::string data = bytes.blocks();
  if (label == 0xF9)
    delay = static_cast<std::int64_t>(little_endian(std::string_view(data).substr(1, 2)));
  if (label == 0xFF)
    gif.repetitions =
        static_cast<std::int64_t>(little_endian(std::string_view(data).substr(12, 2)));
}

Frame read_frame(GifBytes& bytes, std::int64_t delay) {
  bytes.take(8);
  const std::size_t flags = bytes.number(1);
  EXPECT_EQ(flags & 0x80U, 0x80U);
  const std::string palette(bytes.take(3 * (std::size_t{2} << (flags & 7U))));
  const auto bits = static_cast<unsigned>(bytes.number(1));
  Frame frame{delay, {}};
  for (const char index : expand(bytes.blocks(), bits))
    for (std::size_t c = 0; c < 3; ++c)
      frame.pixels.push_back(
          static_cast<std::uint8_t>(palette.at(3 * static_cast<unsigned char>(index) + c)));
  return frame;
}

Gif read_gif(const std::filesystem::path& path) {
  GifBytes bytes(read_file(path));
  EXPECT_EQ(bytes.take(6), "GIF89a");
  Gif gif{bytes.number(2), bytes.number(2), -1, {}};
  bytes.take(3);
  std::int64_t delay = 0;
  while (true) {
    const std::size_t kind = bytes.number(1);
    if (kind == ';') return gif;
    if (kind == '!') {
      read_extension(bytes, gif, delay);
    } else {
      EXPECT_EQ(kind, ',');
      gif.frames.push_back(read_frame(bytes, delay));
    }
    if (::testing::Test::HasFailure()) return gif;
  }
}

// Values of `levels` levels, from a linear congruential generator.
std::vector<std::uint8_t> random_values(std::int64_t n, unsigned levels, std::uint32_t state) {
  std::vector<std::uint8_t> values;
  for (std::int64_t i = 0; i < n; ++i) {
    state = state * 1664525U + 1013904223U;
    values.push_back(static_cast<std::uint8_t>((state >> 16U) % levels * (255 / (levels - 1))));
  }
  return values;
}

// Images of noise fill the table of codes, of few levels make long strings.
TEST(Gif, GrayFramesOfAnySizeAndNumberOfLevelsAreExact) {
  const TemporaryFolder folder;
  for (const unsigned levels : {2U, 3U, 4U, 5U, 17U, 128U, 256U}) {
    for (const std::int64_t side : {1, 2, 7, 33, 200}) {
      const auto first = random_values(side * side, levels, 1);
      const auto second = std::vector<std::uint8_t>(static_cast<std::size_t>(side * side), 255);
      GifWriter writer(folder / "a.gif", side, side, {});
      for (const auto& pixels : {first, second}) writer.add({pixels, side, side, 1});
      writer.commit();
      const Gif gif = read_gif(folder / "a.gif");
      ASSERT_EQ(gif.frames.size(), 2U);
      EXPECT_EQ(gif.width, static_cast<std::size_t>(side));
      for (std::size_t i = 0; i < first.size(); ++i) {
        for (std::size_t c = 0; c < 3; ++c) {
          ASSERT_EQ(gif.frames[0].pixels.at(3 * i + c), first[i]) << levels << " " << side;
          ASSERT_EQ(gif.frames[1].pixels.at(3 * i + c), 255);
        }
      }
    }
  }
}

TEST(Gif, DelaysAddUpToTheRequestedTime) {
  const TemporaryFolder folder;
  const std::vector<std::uint8_t> pixel{7};
  for (const double rate : {30.0, 24.0, 7.0, 50.0, 0.5}) {
    GifWriter writer(folder / "a.gif", 1, 1, {rate, 3});
    for (int i = 0; i < 60; ++i) writer.add({pixel, 1, 1, 1});
    writer.commit();
    const Gif gif = read_gif(folder / "a.gif");
    std::int64_t sum = 0;
    for (const Frame& frame : gif.frames) {
      EXPECT_NEAR(static_cast<double>(frame.delay), 100 / rate, 1);
      sum += frame.delay;
    }
    EXPECT_NEAR(static_cast<double>(sum), 6000 / rate, 0.5) << rate;
    EXPECT_EQ(gif.repetitions, 2);
  }
}

TEST(Gif, OnePlayHasNoRepetitionsAndZeroIsWithoutEnd) {
  const TemporaryFolder folder;
  const std::vector<std::uint8_t> pixel{7};
  for (const auto& [plays, repetitions] : {std::pair{1, -1}, {0, 0}, {2, 1}}) {
    GifWriter writer(folder / "a.gif", 1, 1, {25, plays});
    writer.add({pixel, 1, 1, 1});
    writer.commit();
    EXPECT_EQ(read_gif(folder / "a.gif").repetitions, repetitions);
  }
}

double mean_squared_error(const std::vector<std::uint8_t>& rgb, const PalettedImage& reduced) {
  double sum = 0;
  for (std::size_t i = 0; i < rgb.size(); ++i) {
    const double difference = rgb[i] - reduced.palette.at(reduced.indices.at(i / 3))[i % 3];
    sum += difference * difference;
  }
  return sum / static_cast<double>(rgb.size());
}

TEST(Palette, UpTo256ColorsAreExact) {
  std::vector<std::uint8_t> rgb;
  for (int i = 0; i < 256; ++i)
    for (const int value : {i, 255 - i, i / 2}) rgb.push_back(static_cast<std::uint8_t>(value));
  const PalettedImage reduced = reduce_colors({rgb, 16, 16, 3});
  EXPECT_EQ(reduced.palette.size(), 256U);
  EXPECT_EQ(mean_squared_error(rgb, reduced), 0);
}

TEST(Palette, SmoothColorsLoseLittleAndNoiseKeepsItsBound) {
  std::vector<std::uint8_t> rgb;
  for (int y = 0; y < 64; ++y)
    for (int x = 0; x < 64; ++x)
      for (const int value : {4 * x, 4 * y, 2 * (x + y)})
        rgb.push_back(static_cast<std::uint8_t>(value));
  const PalettedImage reduced = reduce_colors({rgb, 64, 64, 3});
  EXPECT_EQ(reduced.palette.size(), 256U);
  // A plane of 256 x 256 with 256 colors: cells of 16 x 16, of variance 16^2 / 12 per axis.
  EXPECT_LT(mean_squared_error(rgb, reduced), 25);
  // In the cube, 256 cells of side 40: variance 40^2 / 12.
  const auto noise = random_values(std::int64_t{3} * 10000, 256, 9);
  EXPECT_LT(mean_squared_error(noise, reduce_colors({noise, 100, 100, 3})), 140);
}

}  // namespace
}  // namespace valley
