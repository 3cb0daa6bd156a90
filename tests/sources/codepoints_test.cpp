#include "sources/codepoints.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace valley {
namespace {

using Codepoints = std::vector<char32_t>;

TEST(Codepoints, NumbersAndRangesInTheOrderGiven) {
  EXPECT_EQ(parse_codepoints("1F600"), (Codepoints{0x1F600}));
  EXPECT_EQ(parse_codepoints("2639-263A,1F600"), (Codepoints{0x2639, 0x263A, 0x1F600}));
  EXPECT_EQ(parse_codepoints("43, U+41-u+42 ,7a"), (Codepoints{0x43, 0x41, 0x42, 0x7A}));
  EXPECT_EQ(parse_codepoints("10FFFF"), (Codepoints{0x10FFFF}));
}

TEST(Codepoints, RepetitionsAreIgnored) {
  EXPECT_EQ(parse_codepoints("41-43,42,40-41"), (Codepoints{0x41, 0x42, 0x43, 0x40}));
}

TEST(Codepoints, MistakesAreNamed) {
  for (const char* text : {"", ",", "41,", "xyz", "41-", "-41", "41-42-43", "110000", "U+", "0x41",
                           "41;42", "FFFFFFFFF"}) {
    try {
      static_cast<void>(parse_codepoints(text));
      ADD_FAILURE() << "accepted: " << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kUsage);
      EXPECT_NE(std::string(error.what()).find("--codepoints"), std::string::npos);
    }
  }
  EXPECT_THROW(static_cast<void>(parse_codepoints("43-41")), Error);
}

TEST(Codepoints, NamesHaveAtLeastFourDigits) {
  EXPECT_EQ(codepoint_name(0x41), "U+0041");
  EXPECT_EQ(codepoint_name(0x1F600), "U+1F600");
}

}  // namespace
}  // namespace valley
