#include <gtest/gtest.h>

#include "config_fixture.h"
#include "core/config.h"
#include "helpers.h"

namespace valley {
namespace {

const std::vector<std::string> kKnown = {"train.steps", "train.seed",       "train.global_batch",
                                         "model.name",  "model.resolution", "objective.gamma"};

TEST(NearestName, FindsOneEditOfEachKind) {
  EXPECT_EQ(nearest_name("train.step", kKnown), "train.steps");    // missing letter
  EXPECT_EQ(nearest_name("train.stteps", kKnown), "train.steps");  // extra letter
  EXPECT_EQ(nearest_name("train.stepz", kKnown), "train.steps");   // wrong letter
  EXPECT_EQ(nearest_name("train.setps", kKnown), "train.steps");   // transposed letters
  EXPECT_EQ(nearest_name("trian.steps", kKnown), "train.steps");   // in the section
  EXPECT_EQ(nearest_name("train.globalbatch", kKnown), "train.global_batch");
  EXPECT_EQ(nearest_name("Train.Steps", kKnown), "train.steps");         // capitals
  EXPECT_EQ(nearest_name("objektive.gama", kKnown), "objective.gamma");  // two edits in a long name
}

TEST(NearestName, TranspositionCountsOnce) {
  // Four letters allow one edit, so this fails if a transposition counts as two.
  EXPECT_EQ(nearest_name("naem", {"name"}), "name");
  EXPECT_EQ(nearest_name("nmae", {"name"}), "name");
  EXPECT_EQ(nearest_name("eman", {"name"}), "");
}

TEST(NearestName, IsEmptyWhenNoNameIsSimilar) {
  EXPECT_EQ(nearest_name("train.foo", kKnown), "");
  EXPECT_EQ(nearest_name("train.size", kKnown), "");  // the shared section does not make it similar
  EXPECT_EQ(nearest_name("x", kKnown), "");
  EXPECT_EQ(nearest_name("", kKnown), "");
  EXPECT_EQ(nearest_name("train.steps", {}), "");
}

TEST(NearestName, PrefersTheNearestThenTheFirst) {
  EXPECT_EQ(nearest_name("bf18", {"fp32", "bf12", "bf16"}), "bf12");
  EXPECT_EQ(nearest_name("began", {"egan", "began", "magan"}), "began");
  EXPECT_EQ(nearest_name("beganx", {"egan", "began"}), "began");
}

std::string name_error(const std::string& toml, const std::vector<std::string>& overrides = {}) {
  TestConfig config;
  const Error error = error_of([&] { config.load(toml, overrides); });
  EXPECT_EQ(error.code(), ExitCode::kConfig);
  return error.what();
}

TEST(UnknownKey, NamesTheNearestWithFileAndLine) {
  EXPECT_EQ(name_error("# a comment\n[train]\nsteps = 1\nstepz = 5\n"),
            "run.toml:4: unknown key \"train.stepz\"; did you mean \"train.steps\"?");
  EXPECT_EQ(name_error("train.setps = 5\n"),
            "run.toml:1: unknown key \"train.setps\"; did you mean \"train.steps\"?");
}

TEST(UnknownKey, NamesTheSectionThatHasIt) {
  EXPECT_EQ(name_error("[train]\nrate = 0.1\n"),
            "run.toml:2: unknown key \"train.rate\"; did you mean \"optimizer.rate\"?");
  EXPECT_EQ(name_error("gamma = 0.5\n"),
            "run.toml:1: unknown key \"gamma\"; did you mean \"objective.gamma\"?");
}

TEST(UnknownKey, NamesTheListingCommandWhenNoKeyIsSimilar) {
  EXPECT_EQ(
      name_error("[train]\nfoo = 1\n"),
      "run.toml:2: unknown key \"train.foo\"; `valley train --keys train` lists the known ones");
  EXPECT_EQ(name_error("foo = 1\n"),
            "run.toml:1: unknown key \"foo\"; `valley train --keys` lists the known ones");
}

TEST(UnknownKey, OnTheCommandLine) {
  EXPECT_EQ(name_error("", {"train.stepz=5"}),
            "command line: unknown key \"train.stepz\"; did you mean \"train.steps\"?");
  EXPECT_EQ(name_error("", {"trian.steps=5"}),
            "command line: unknown key \"trian.steps\"; did you mean \"train.steps\"?");
  EXPECT_EQ(
      name_error("", {"train=5"}),
      "command line: \"train\" is a section, not a key; `valley train --keys train` lists its "
      "keys");
  EXPECT_EQ(
      name_error("", {"bogus.thing=5"}),
      "command line: unknown key \"bogus.thing\"; `valley train --keys` lists the known ones");
}

TEST(UnknownSection, NamesTheNearest) {
  EXPECT_EQ(name_error("\n[modle]\nname = 'began'\n"),
            "run.toml:2: unknown section \"modle\"; did you mean \"model\"?");
  EXPECT_EQ(name_error("trian.steps = 5\n"),
            "run.toml:1: unknown section \"trian\"; did you mean \"train\"?");
  EXPECT_EQ(
      name_error("[wandb]\n"),
      "run.toml:1: unknown section \"wandb\"; the sections are data, model, train, objective, "
      "optimizer");
}

TEST(UnknownSection, ASectionIsNotAKeyNorAList) {
  EXPECT_EQ(name_error("train = 5\n"),
            "run.toml:1: \"train\" is a section, not a key; `valley train --keys train` lists its "
            "keys");
  EXPECT_EQ(name_error("[[train]]\nsteps = 5\n"),
            "run.toml:1: \"train\" is a section, not a list of tables: write [train]");
  EXPECT_EQ(name_error("[train.deeper]\nsteps = 5\n"),
            "run.toml:1: unknown section \"train.deeper\"; the sections are data, model, train, "
            "objective, optimizer");
}

TEST(UnknownKey, TheFirstMistakeInTheFileIsReported) {
  // By name "model.b" comes first; in the file "train.z" does.
  EXPECT_TRUE(contains(name_error("[train]\nzzzz = 1\n[model]\nbbbb = 2\n"), "run.toml:2:"));
}

}  // namespace
}  // namespace valley
