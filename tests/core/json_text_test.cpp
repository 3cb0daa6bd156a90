#include "core/json_text.h"

#include <gtest/gtest.h>

#include "helpers.h"

namespace valley {
namespace {

using nlohmann::json;

std::string nested(std::size_t levels, const std::string& open, const std::string& close) {
  std::string text;
  for (std::size_t i = 0; i < levels; ++i) text += open;
  text += "1";
  for (std::size_t i = 0; i < levels; ++i) text += close;
  return text;
}

std::string fault_of(std::string_view text) {
  const Error error = error_of([&] { static_cast<void>(parse_json(text, "f.json")); });
  EXPECT_EQ(error.code(), ExitCode::kData);
  return error.what();
}

TEST(ParseJson, DepthIsLimited) {
  for (const auto& [open, close] : {std::pair("[", "]"), std::pair("{\"a\":", "}")}) {
    const json good = parse_json(nested(kMaxJsonDepth, open, close), "f.json");
    EXPECT_EQ(write_json(json(good)), nested(kMaxJsonDepth, open, close));
    for (const std::size_t levels : {kMaxJsonDepth + 1, std::size_t{150'000}}) {
      const std::string text = nested(levels, open, close);
      EXPECT_TRUE(try_parse_json(text).is_discarded());
      EXPECT_TRUE(contains(fault_of(text), "more than 200 levels")) << fault_of(text);
    }
  }
}

TEST(ParseJson, BracketsInStringsAreNotLevels) {
  const std::string text =
      "{\"" + std::string(1000, '[') + "\": \"\\\"" + std::string(1000, '{') + "\"}";
  EXPECT_EQ(parse_json(text, "f.json").size(), 1U);
}

TEST(ParseJson, ATrailingCommaIsReportedWithItsPlace) {
  EXPECT_EQ(fault_of("{\"labels\": [\n  [\"a\", 1],\n  ]}")
                .find("f.json:3:3: not valid JSON: unexpected ']'"),
            0U);
  EXPECT_TRUE(
      contains(fault_of("{\"labels\": [\n  [\"a\", 1],\n  ]}"), "remove the comma before it"));
  EXPECT_EQ(fault_of("{\"a\": 1,}").find("f.json:1:9: "), 0U);
}

TEST(ParseJson, OtherFaultsAreReportedWithTheirPlace) {
  EXPECT_EQ(fault_of("[1,\n\"\u00E9\u00E9\" 2]").find("f.json:2:6: "),
            0U);  // columns are characters
  EXPECT_EQ(fault_of("[1,\n 1e999]").find("f.json:2:"), 0U);
  EXPECT_TRUE(contains(fault_of(" \n"), "the file is empty"));
  EXPECT_EQ(fault_of(std::string_view("[1]\0", 4)),
            "f.json:1:4: not valid JSON: it holds a zero byte; correct the file there, or write it "
            "again");
  EXPECT_EQ(fault_of("[\"\xE9\"]").find("f.json:1:"), 0U);
}

TEST(WriteJson, BytesThatAreNotUtf8DoNotThrow) {
  EXPECT_EQ(write_json(json{{"path", "caf\xE9"}}), "{\"path\":\"caf\uFFFD\"}");
  EXPECT_EQ(json_string("a\"b\xFF"), "\"a\\\"b\uFFFD\"");
  EXPECT_EQ(write_json(json{{"path", "caf\u00E9\u009B"}}),
            "{\"path\":\"caf\u00E9\u009B\"}");  // as it is
}

TEST(PrintJson, TerminalCommandsAreEscapedWithoutChangingTheValue) {
  const json value = {{"name", "a\u009B31m\x7f\u202E\x1b\nb"}};
  ::testing::internal::CaptureStdout();
  print_json_text(write_json(value, 1));
  std::fflush(stdout);
  const std::string printed = ::testing::internal::GetCapturedStdout();
  EXPECT_EQ(parse_json(printed, "stdout"), value);
  EXPECT_EQ(printed, "{\n \"name\": \"a\\u009B31m\\u007F\\u202E\\u001b\\nb\"\n}\n");
}

}  // namespace
}  // namespace valley
