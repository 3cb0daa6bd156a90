#include "report/escape.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace valley::report {
namespace {

TEST(EscapeHtml, EscapesMarkupAndControlCharacters) {
  EXPECT_EQ(escape_html("<b a=\"x\" c='y'>&amp;"),
            "&lt;b a=&quot;x&quot; c=&#39;y&#39;&gt;&amp;amp;");
  EXPECT_EQ(escape_html("tab\tline\nÄ→"), "tab\tline\nÄ→");
  EXPECT_EQ(escape_html(std::string_view("a\0\x1B", 3)), "a\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(EscapeScript, ParsesToTheSameValue) {
  const nlohmann::json value = {{"</script><!--<script", "<\\u003c\"<"}};
  const std::string text = escape_script(value.dump());
  EXPECT_EQ(text.find('<'), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(text), value);
}

TEST(Base64, MatchesRfc4648TestVectors) {
  // Section 10, and one with + and /.
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foob"), "Zm9vYg==");
  EXPECT_EQ(base64("fooba"), "Zm9vYmE=");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64("\xFB\xFF\xFE"), "+//+");
}

}  // namespace
}  // namespace valley::report
