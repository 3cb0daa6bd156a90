#include "core/text.h"

#include <gtest/gtest.h>

namespace valley {
namespace {

TEST(Printable, OrdinaryTextIsUnchanged) {
  const std::string text = "caf\u00E9 \u65E5\u672C\u8A9E \U0001F600 a\\b\tc\n";
  EXPECT_EQ(printable(text), text);
}

TEST(Printable, ControlCharactersAreEscaped) {
  EXPECT_EQ(printable("\x1b[2J\x1b]0;t\x07 a\rb\x7f"), "\\x1B[2J\\x1B]0;t\\x07 a\\x0Db\\x7F");
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(printable("\u009B31m \u0085"), "\\u009B31m \\u0085");
}

TEST(Printable, OverridesOfTheTextDirectionAreEscaped) {
  EXPECT_EQ(printable("a\u202Eb\u2066c\u2069"), "a\\u202Eb\\u2066c\\u2069");
  EXPECT_EQ(printable("\u202F\u2065\u206A"), "\u202F\u2065\u206A");  // neighbors of those
}

TEST(Printable, BytesThatAreNotUtf8AreEscaped) {
  EXPECT_EQ(printable("caf\xE9"), "caf\\xE9");
  EXPECT_EQ(printable("\xC0\xAF \xED\xA0\x80 \xF5"), "\\xC0\\xAF \\xED\\xA0\\x80 \\xF5");
  EXPECT_EQ(printable("\xE3\x81"), "\\xE3\\x81");  // cut in the middle
}

TEST(Printable, ALineHasNoNewlineAndNoTab) {
  EXPECT_EQ(printable_line("a\nb\tc\u00E9"), "a\\x0Ab\\x09c\u00E9");
}

TEST(Utf8, ValidityIsThatOfTheStandard) {
  EXPECT_TRUE(is_utf8("\u00E9\u65E5\U0010FFFF"));
  for (const char* bad : {"\x80", "\xC1\x81", "\xE0\x9F\xBF", "\xF0\x8F\xBF\xBF",
                          "\xF4\x90\x80\x80", "\xED\xBF\xBF", "a\xFF"})
    EXPECT_FALSE(is_utf8(bad)) << printable(bad);
}

}  // namespace
}  // namespace valley
