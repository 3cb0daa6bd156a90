#include <gtest/gtest.h>

#include "config_fixture.h"
#include "core/config.h"

namespace valley {
namespace {

TEST(Overrides, BareWordsAndPathsAreStrings) {
  TestConfig config;
  config.load("", {"data.path=/a/b c.h5", "model.name=began", "objective.gamma=0.5",
                   "train.microbatch=auto", "train.reproducible=true", "model.hidden=[5, 6]"});
  EXPECT_EQ(config.path, "/a/b c.h5");
  EXPECT_EQ(config.name, "began");
  EXPECT_EQ(config.gamma, 0.5);
  EXPECT_EQ(config.microbatch, std::nullopt);
  EXPECT_TRUE(config.reproducible);
  EXPECT_EQ(config.hidden, (std::vector<std::int64_t>{5, 6}));
}

TEST(Overrides, AStringKeyTakesTextThatLooksLikeAnotherType) {
  for (const char* text : {"2024", "1e5", "true", "007", "2024-01-01", "[1]", "a=b", "a\\b",
                           "~/x #1", "{a}", "", "inf"}) {
    TestConfig config;
    config.load("", {std::string("data.path=") + text});
    EXPECT_EQ(config.path, text);
  }
}

TEST(Overrides, QuotedStringsAreToml) {
  TestConfig config;
  config.load("", {R"(data.path="a\tb")"});
  EXPECT_EQ(config.path, "a\tb");
  config.load("", {"data.path='a\\tb'"});
  EXPECT_EQ(config.path, "a\\tb");
  const std::string message = load_error("", {"data.path=\"open"});
  EXPECT_TRUE(message.starts_with("command line: data.path=\"open: the value is not TOML: "))
      << message;
}

TEST(Overrides, OverrideTheFileAndEarlierOverrides) {
  TestConfig config;
  config.load("train.steps = 1", {"train.steps=2", " train.steps = 3 "});
  EXPECT_EQ(config.steps, 3);
}

TEST(Overrides, AreCheckedLikeTheFile) {
  EXPECT_EQ(load_error("", {"train.steps=abc"}),
            "command line: train.steps takes an integer >= 1, <= 1000000000, not the string "
            "\"abc\"");
  EXPECT_EQ(load_error("", {"train.steps=0"}),
            "command line: train.steps takes an integer >= 1, <= 1000000000, not the integer 0");
  EXPECT_EQ(load_error("", {"train.steps="}),
            "command line: train.steps takes an integer >= 1, <= 1000000000, not the string \"\"");
  EXPECT_EQ(load_error("", {"train.reproducible=True"}),
            "command line: train.reproducible takes true or false, not the string \"True\"");
  EXPECT_EQ(load_error("", {"train.steps={a = 1}"}),
            "command line: train.steps takes an integer >= 1, <= 1000000000, not a table");
}

TEST(Overrides, OneArgumentSetsOneKey) {
  // A newline must not add a second key.
  EXPECT_TRUE(
      contains(load_error("", {"train.steps=5\nother = 6"}), "train.steps takes an integer"));
  EXPECT_TRUE(contains(load_error("", {"data.path=\"a\"\nother = 6"}), "more than one value"));
}

TEST(Overrides, TextThatIsNotUtf8IsRejected) {
  EXPECT_TRUE(contains(load_error("", {"data.path=a\xFF\xFE"}), "not TOML"));
}

TEST(Overrides, WithoutAnEqualsSignNameTheForm) {
  EXPECT_EQ(load_error("", {"train.steps"}, ExitCode::kUsage),
            "\"train.steps\" is not of the form section.key=value, for example train.steps=1000");
  EXPECT_TRUE(contains(load_error("", {"=5"}, ExitCode::kUsage), "\"=5\" is not of the form"));
}

TEST(Load, OverrideReplacesItsAlternativeInTheFile) {
  TestConfig config;
  config.schema.alternatives({"train.microbatch", "optimizer.rate"});
  config.load("train.microbatch = 4\n", {"optimizer.rate=2"});
  EXPECT_EQ(config.microbatch, std::nullopt);
  EXPECT_FALSE(config.schema.was_given("train.microbatch"));
  EXPECT_EQ(config.rate, 2);
}

TEST(Load, AlternativesOfOneSourceAreBothKept) {
  for (const bool in_file : {true, false}) {
    TestConfig config;
    config.schema.alternatives({"train.microbatch", "optimizer.rate"});
    const std::vector<std::string> both = {"train.microbatch=4", "optimizer.rate=2"};
    if (in_file)
      config.load("train.microbatch = 4\noptimizer.rate = 2\n");
    else
      config.load("train.microbatch = 8\n", both);
    EXPECT_TRUE(config.schema.was_given("train.microbatch"));
    EXPECT_TRUE(config.schema.was_given("optimizer.rate"));
    EXPECT_EQ(config.microbatch, AutoInt{4});
  }
}

TEST(Load, AnOverrideOfAutoLeavesTheAlternatives) {
  TestConfig config;
  config.schema.alternatives({"train.microbatch", "optimizer.rate"});
  config.load("optimizer.rate = 2\n", {"train.microbatch=auto"});
  EXPECT_EQ(config.rate, 2);
}

}  // namespace
}  // namespace valley
