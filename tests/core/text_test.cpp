#include "core/text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <ctime>
#include <string>

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

TEST(Plural, OneHasNoPluralS) {
  EXPECT_EQ(plural(1, "core"), "1 core");
  EXPECT_EQ(plural(0, "core"), "0 cores");
}

TEST(FormatBytes, UnitIsTheLargestThatIsReached) {
  EXPECT_EQ(format_bytes(1), "1 byte");
  EXPECT_EQ(format_bytes(1023), "1023 bytes");
  EXPECT_EQ(format_bytes(1024), "1.0 KiB");
  EXPECT_EQ(format_bytes(21 << 20), "21.0 MiB");
  EXPECT_EQ(format_bytes(std::uint64_t{3} << 29U), "1.5 GiB");
  EXPECT_EQ(format_bytes(~std::uint64_t{0}), "16384.0 PiB");
}

TEST(FirstLine, EndsBeforeTheNewline) {
  EXPECT_EQ(first_line("a\nb\nc"), "a");
  EXPECT_EQ(first_line("a"), "a");
  EXPECT_EQ(first_line(""), "");
}

TEST(JoinUpTo, CountsTheItemsThatItLeavesOut) {
  EXPECT_EQ(join_up_to(2, {}), "");
  EXPECT_EQ(join_up_to(2, {"a", "b"}), "a, b");
  EXPECT_EQ(join_up_to(2, {"a", "b", "c", "d"}), "a, b and 2 more");
}

TEST(UtcNow, IsIso8601InSeconds) {
  const std::string now = utc_now();
  EXPECT_EQ(now.size(), 20U);
  std::tm parts{};
  const char* end = ::strptime(now.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  ASSERT_TRUE(end != nullptr && *end == '\0') << now;
  EXPECT_LE(std::abs(std::difftime(::timegm(&parts), std::time(nullptr))), 2);
}

}  // namespace
}  // namespace valley
