#include "core/config.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>

#include "config_fixture.h"
#include "helpers.h"

namespace valley {
namespace {

template <typename T>
std::string value_of(T value) {
  return Key("section.key", &value).value();
}

TEST(Key, DoublesAreTheShortestThatReadBackAndAlwaysFloats) {
  EXPECT_EQ(value_of(1.0), "1.0");
  EXPECT_EQ(value_of(-3.0), "-3.0");
  EXPECT_EQ(value_of(0.0), "0.0");
  EXPECT_EQ(value_of(0.1), "0.1");
  EXPECT_EQ(value_of(5e-05), "5e-05");
  EXPECT_EQ(value_of(1e10), "10000000000.0");
  EXPECT_EQ(value_of(1e300), "1e+300");
  EXPECT_EQ(value_of(0.1 + 0.2), "0.30000000000000004");
  EXPECT_EQ(value_of(std::numeric_limits<double>::infinity()), "inf");
  EXPECT_EQ(value_of(-std::numeric_limits<double>::infinity()), "-inf");
}

TEST(Key, ValuesOfTheOtherTypes) {
  EXPECT_EQ(value_of(true), "true");
  EXPECT_EQ(value_of(std::numeric_limits<std::int64_t>::min()), "-9223372036854775808");
  EXPECT_EQ(value_of(AutoInt{}), "\"auto\"");
  EXPECT_EQ(value_of(AutoInt{16}), "16");
  EXPECT_EQ(value_of(std::vector<std::int64_t>{}), "[]");
  EXPECT_EQ(value_of(std::vector<std::int64_t>{500, -2}), "[500, -2]");
}

TEST(Key, StringsAreEscaped) {
  EXPECT_EQ(value_of(std::string()), "\"\"");
  EXPECT_EQ(value_of(std::string("a \"b\" c:\\d")), "\"a \\\"b\\\" c:\\\\d\"");
  EXPECT_EQ(value_of(std::string("a\nb\tc\x01\x7F")), "\"a\\nb\\tc\\u0001\\u007F\"");
  EXPECT_EQ(value_of(std::string("grün")), "\"grün\"");
}

TEST(Key, DescribesTypeLimitsAndChoices) {
  const TestConfig config;
  const auto& keys = config.schema.keys();
  ASSERT_EQ(keys.size(), 8U);
  EXPECT_EQ(keys[0].type(), "string");
  EXPECT_EQ(keys[0].accepts(), "a string");
  EXPECT_EQ(keys[1].accepts(), R"(one of "ebgan", "began", "magan")");
  EXPECT_EQ(keys[1].choices().size(), 3U);
  EXPECT_EQ(keys[2].type(), "list of integers");
  EXPECT_EQ(keys[2].accepts(), "a list of integers >= 1");
  EXPECT_EQ(keys[3].type(), "integer");
  EXPECT_EQ(keys[3].limits(), ">= 1, <= 1000000000");
  EXPECT_EQ(keys[4].type(), "integer or \"auto\"");
  EXPECT_EQ(keys[4].accepts(), "an integer >= 1 or \"auto\"");
  EXPECT_EQ(keys[5].type(), "bool");
  EXPECT_EQ(keys[5].limits(), "");
  EXPECT_EQ(keys[5].accepts(), "true or false");
  EXPECT_EQ(keys[6].type(), "number");
  EXPECT_EQ(keys[6].accepts(), "a number > 0, <= 1");
  EXPECT_EQ(keys[6].where_from(), "BEGAN, section 3.3");
  EXPECT_EQ(keys[7].meaning(), "Learning rate.");
}

TEST(Key, LimitsAreInclusiveOrExclusiveAndRejectNaN) {
  double x = 0.5;
  const Key key = Key("a.b", &x).above(0).max(1);
  EXPECT_FALSE(key.is_within_limits(0));
  EXPECT_TRUE(key.is_within_limits(std::numeric_limits<double>::min()));
  EXPECT_TRUE(key.is_within_limits(1));
  EXPECT_FALSE(key.is_within_limits(std::nextafter(1.0, 2.0)));
  EXPECT_FALSE(key.is_within_limits(std::nan("")));
  EXPECT_FALSE(Key("a.b", &x).is_within_limits(std::numeric_limits<double>::infinity()));
  const Key from_zero = Key("a.b", &x).min(0);
  EXPECT_TRUE(from_zero.is_within_limits(0));
  EXPECT_FALSE(from_zero.is_within_limits(-1e-300));
  EXPECT_FALSE(Key("a.b", &x).is_within_limits(std::nan("")));
}

TEST(Key, TheDefaultStaysWhenTheValueChanges) {
  TestConfig config;
  config.load("train.steps = 5");
  EXPECT_EQ(config.schema.keys()[3].default_value(), "1000");
  EXPECT_EQ(config.schema.keys()[3].value(), "5");
}

TEST(Schema, ReferencesStayValidWhileKeysAreAdded) {
  std::int64_t number = 0;
  Schema schema;
  Key& first = schema.key("a.first", &number);
  for (int i = 0; i < 1000; ++i) schema.key("a.k" + std::to_string(i), &number);
  first.help("Still here.");
  EXPECT_EQ(schema.keys().front().meaning(), "Still here.");
}

TEST(Schema, AMisdeclaredKeyIsABug) {
  std::int64_t number = 0;
  Schema schema;
  schema.key("a.b", &number);
  std::string text;
  EXPECT_THROW(schema.key("a.b", &text), std::logic_error);  // a name has one type
  for (const char* name : {"", "a", "a.", ".a", "a..b", "a.b c", "a.\"b\"", "a.b."})
    EXPECT_THROW(schema.key(name, &number), std::logic_error) << name;
  EXPECT_THROW(schema.key("a.c", &number).one_of({"x"}), std::logic_error);
  EXPECT_THROW((void)schema.place("a.unknown"), std::logic_error);
  EXPECT_THROW((void)schema.was_given("a.unknown"), std::logic_error);
}

TEST(Schema, AKeyOfTwoVariablesSetsBothAndShowsTheFirst) {
  std::int64_t first = 2;
  std::int64_t second = 30;
  Schema schema;
  schema.key("a.b", &first).help("Of one.").source("x");
  schema.key("a.b", &second).help("Of another.").source("x");
  ASSERT_EQ(schema.keys().size(), 1U);
  EXPECT_EQ(schema.keys()[0].default_value(), "2");
  EXPECT_EQ(schema.keys()[0].meaning(), "Of one. Of another.");
  EXPECT_EQ(schema.keys()[0].where_from(), "x");
  schema.load_text("[a]\nb = 7", "test.toml", {});
  EXPECT_EQ(first, 7);
  EXPECT_EQ(second, 7);
}

TEST(Schema, ARenamedKeyIsLoadedByItsOldNameAndNotedOnce) {
  std::int64_t number = 0;
  Schema schema;
  schema.key("a.present", &number);
  schema.renamed("a.former", "a.present");
  schema.load_text("[a]\nformer = 3", "test.toml", {});
  EXPECT_EQ(number, 3);
  EXPECT_EQ(schema.place("a.present"), "test.toml:2");
  EXPECT_EQ(schema.deprecations(),
            std::vector<std::string>{"test.toml:2: a.former is deprecated; use a.present"});
  schema.load_text("", "test.toml", {"a.former=4"});
  EXPECT_EQ(number, 4);
  EXPECT_EQ(schema.deprecations().back(), "command line: a.former is deprecated; use a.present");
  EXPECT_EQ(schema.values().count("a.former"), 0U);
}

TEST(Schema, AnEnumIsReadAndShownByItsNames) {
  enum class Color { kRed, kGreen } color = Color::kGreen;
  Schema schema;
  schema.choice("a.color", &color, {"red", "green"});
  EXPECT_EQ(schema.keys()[0].default_value(), "\"green\"");
  EXPECT_EQ(schema.keys()[0].accepts(), "one of \"red\", \"green\"");
  schema.load_text("", "test.toml", {"a.color=red"});
  EXPECT_EQ(color, Color::kRed);
  EXPECT_EQ(schema.keys()[0].value(), "\"red\"");
  try {
    schema.load_text("[a]\ncolor = \"grene\"", "test.toml", {});
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("did you mean \"green\"?"), std::string::npos) << e.what();
  }
  EXPECT_EQ(color, Color::kRed);
}

TEST(Schema, ValuesHoldEveryKey) {
  TestConfig config;
  config.load("", {"data.path=/a"});
  const auto values = config.schema.values();
  EXPECT_EQ(values.size(), 8U);
  EXPECT_EQ(values.at("data.path"), "\"/a\"");
  EXPECT_EQ(values.at("optimizer.rate"), "5e-05");
}

}  // namespace
}  // namespace valley
