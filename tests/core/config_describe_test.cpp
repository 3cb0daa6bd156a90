#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <sstream>

#include "config_fixture.h"
#include "core/config.h"
#include "core/hash.h"
#include "helpers.h"

namespace valley {
namespace {

TEST(ToToml, HasSectionsInOrderWithMeanings) {
  TestConfig config;
  config.load("", {"model.hidden=[3, 4]"});
  EXPECT_EQ(config.schema.to_toml(), R"([data]
# Shards to train on.
path = ""

[model]
# Networks and objective.
name = "ebgan"
# Units a layer.
hidden = [3, 4]

[train]
# Optimizer steps to train.
steps = 1000
# Samples a pass.
microbatch = "auto"
# Same bits on any number of ranks.
reproducible = false

[objective]
# Ratio E|L(G(z))| / E|L(x)|.
gamma = 0.7

[optimizer]
# Learning rate.
rate = 5e-05
)");
}

TEST(ToToml, LoadsAgainToTheSameValues) {
  TestConfig config;
  config.path = "c:\\data\\\"new\"\n\ttab \x01 grün";
  config.hidden = {std::numeric_limits<std::int64_t>::max(), 1};
  config.microbatch = 12;
  config.name = "magan";
  config.gamma = 0.1 + 0.2;
  config.reproducible = true;
  const std::string text = config.schema.to_toml();
  TestConfig again;
  again.load(text);
  EXPECT_EQ(again.path, config.path);
  EXPECT_EQ(again.hidden, config.hidden);
  EXPECT_EQ(again.microbatch, config.microbatch);
  EXPECT_EQ(again.name, config.name);
  EXPECT_EQ(again.gamma, config.gamma);
  EXPECT_EQ(again.reproducible, config.reproducible);
  EXPECT_EQ(again.schema.to_toml(), text);
  EXPECT_EQ(again.schema.values(), config.schema.values());
}

TEST(ToToml, DoublesKeepEveryBit) {
  double x = 0;
  Schema schema;
  schema.key("a.x", &x);
  std::vector<double> doubles = {5e-05,
                                 0.1,
                                 1e10,
                                 1e16,
                                 1e17,
                                 123456789.125,
                                 1e300,
                                 5e-324,
                                 -0.0,
                                 1.0,
                                 2.5e-10,
                                 1.0 / 3,
                                 std::numeric_limits<double>::max()};
  for (std::uint64_t i = 0; i < 2000; ++i) {
    const std::uint64_t bits = mix64(i);
    double drawn = 0;
    std::memcpy(&drawn, &bits, sizeof drawn);
    if (std::isfinite(drawn)) doubles.push_back(drawn);
  }
  for (const double value : doubles) {
    x = value;
    const std::string text = schema.to_toml();
    x = 99;
    schema.load_text(text, "again.toml", {});
    ASSERT_EQ(std::memcmp(&x, &value, sizeof x), 0) << text;
  }
}

TEST(ToToml, LongMeaningsAreWrappedComments) {
  std::int64_t n = 1;
  std::string meaning;
  for (int i = 0; i < 60; ++i) meaning += "word" + std::to_string(i) + (i % 7 == 0 ? "\n" : " ");
  Schema schema;
  schema.key("a.n", &n).help(meaning);
  const auto lines = split_lines(schema.to_toml());
  ASSERT_GT(lines.size(), 4U);
  for (std::size_t i = 1; i + 1 < lines.size(); ++i) {
    EXPECT_TRUE(lines[i].starts_with("# word")) << lines[i];
    EXPECT_LE(lines[i].size(), 100U);
  }
  EXPECT_NO_THROW(schema.load_text(schema.to_toml(), "again.toml", {}));
}

TEST(ToToml, KeysOfASectionAreTogetherForAnyOrderOfDeclaration) {
  std::int64_t n = 1;
  Schema schema;
  schema.key("a.x", &n);
  schema.key("b.x", &n);
  schema.key("a.y", &n);
  schema.key("a.deep.z", &n);
  EXPECT_EQ(schema.to_toml(), "[a]\nx = 1\ny = 1\n\n[b]\nx = 1\n\n[a.deep]\nz = 1\n");
  EXPECT_NO_THROW(schema.load_text(schema.to_toml(), "again.toml", {}));
}

TEST(DescribeKeys, AlignsNameValueMeaningAndSource) {
  const TestConfig config;
  EXPECT_EQ(config.schema.describe_keys("o"),
            "objective.gamma  a number > 0, <= 1; default 0.7\n"
            "                 Ratio E|L(G(z))| / E|L(x)|.\n"
            "                 Default from: BEGAN, section 3.3\n"
            "\n"
            "optimizer.rate   a number >= 0; default 5e-05\n"
            "                 Learning rate.\n"
            "                 Default from: BEGAN, section 4.1\n");
}

TEST(DescribeKeys, AllOfThemUnlessAPrefixIsGiven) {
  const TestConfig config;
  const std::string all = config.schema.describe_keys("");
  for (const Key& key : config.schema.keys()) EXPECT_TRUE(contains(all, key.name() + " "));
  const std::string some = config.schema.describe_keys("train.");
  EXPECT_TRUE(contains(some, "train.steps"));
  EXPECT_TRUE(contains(some, "an integer >= 1 or \"auto\"; default \"auto\""));
  EXPECT_FALSE(contains(some, "model."));
  EXPECT_TRUE(some.starts_with("train.steps"));
}

TEST(DescribeKeys, ShowsTheDefaultNotTheValue) {
  TestConfig config;
  config.load("train.steps = 7");
  EXPECT_TRUE(contains(config.schema.describe_keys("train.steps"), "default 1000"));
}

TEST(DescribeKeys, AnUnknownPrefixNamesTheSections) {
  const TestConfig config;
  const Error error = error_of([&] { (void)config.schema.describe_keys("tran"); });
  EXPECT_EQ(error.code(), ExitCode::kUsage);
  EXPECT_STREQ(error.what(),
               "no key starts with \"tran\"; the sections are data, model, train, objective, "
               "optimizer");
}

TEST(DescribeKeys, WrapsAtTheTerminal) {
  std::string text = "ü";
  std::string meaning;
  for (int i = 0; i < 60; ++i) meaning += "größer ";
  Schema schema;
  schema.key("section.a_name_that_is_much_longer_than_names_should_be", &text).help(meaning);
  schema.key("section.short", &text).help(meaning);
  std::size_t widest = 0;
  for (const std::string& line : split_lines(schema.describe_keys(""))) {
    std::size_t columns = 0;
    for (const char c : line) columns += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U ? 1U : 0U;
    widest = std::max(widest, columns);
  }
  EXPECT_LE(widest, 100U);
  EXPECT_GT(widest, 90U);  // characters are counted, not bytes
}

TEST(DescribeMarkdown, HasATablePerSectionAndANotice) {
  const TestConfig config;
  const std::string text = config.schema.describe_keys_markdown();
  EXPECT_TRUE(text.starts_with("<!-- Generated ")) << text;
  EXPECT_TRUE(
      contains(text, "\n## objective\n\n| Key | Takes | Default | Meaning | Default from |\n"));
  EXPECT_TRUE(contains(text,
                       "| `objective.gamma` | a number > 0, <= 1 | `0.7` | Ratio E\\|L(G(z))\\| / "
                       "E\\|L(x)\\|. | BEGAN, section 3.3 |\n"))
      << text;
  EXPECT_TRUE(contains(text, "| `train.microbatch` | an integer >= 1 or \"auto\" | `\"auto\"` |"));
}

TEST(DescribeMarkdown, EveryRowHasFiveCells) {
  std::string text = "a|b`c";
  Schema schema;
  schema.key("a.b", &text).help("x | y\n`p|q` *z* <tag>").source("s|t");
  const std::string row = split_lines(schema.describe_keys_markdown()).back();
  EXPECT_EQ(row,
            "| `a.b` | a string | `` \"a\\|b`c\" `` | x \\| y `p\\|q` \\*z\\* \\<tag> | s\\|t |");
}

}  // namespace
}  // namespace valley
