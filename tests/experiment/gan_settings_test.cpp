// Margins, microbatches and schedules in config files, and combinations that are rejected.
#include <gtest/gtest.h>

#include <fstream>

#include "experiment/experiment.h"
#include "methods/ebgan/options.h"
#include "support/temporary_folder.h"

namespace valley {
namespace {

struct LoadedSettings {
  Experiment experiment;
  std::string toml;  // as resolved
  std::string error;
};

LoadedSettings load_settings(const std::string& objective, const std::string& toml = "",
                             const std::vector<std::string>& more = {}) {
  const TemporaryFolder folder;
  std::ofstream(folder.path() / "test.toml") << toml;
  std::vector<std::string> overrides = {"data.path=x"};
  if (!objective.empty()) overrides.push_back("objective.name=" + objective);
  overrides.insert(overrides.end(), more.begin(), more.end());
  LoadedSettings loaded;
  try {
    Schema schema = Experiment::load(loaded.experiment, folder.path() / "test.toml", overrides);
    loaded.experiment.resolve(schema);
    loaded.toml = schema.to_toml();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::kConfig);
    loaded.error = e.what();
  }
  return loaded;
}

bool mentions(const LoadedSettings& loaded, const std::string& text) {
  return loaded.error.find(text) != std::string::npos;
}

TEST(GanSettings, MarginReplacesDefaultMarginRmse) {
  EXPECT_EQ(load_settings("ebgan").experiment.objective.as<EbganOptions>().margin_rmse, 0.18);
  const LoadedSettings stated = load_settings("ebgan", "[objective]\nmargin = 12.0");
  EXPECT_EQ(stated.error, "");
  EXPECT_EQ(stated.experiment.objective.as<EbganOptions>().margin, 12.0);
  EXPECT_FALSE(stated.experiment.objective.as<EbganOptions>().margin_rmse.has_value());
  EXPECT_TRUE(mentions(load_settings("ebgan", "[objective]\nmargin = 12.0\nmargin_rmse = 0.1"),
                       "both set"));
}

TEST(GanSettings, MseWithoutMarginIsRejected) {
  const std::string mse = "objective.energy=mse";
  EXPECT_TRUE(mentions(load_settings("ebgan", "", {mse}), "no margin is set"));
  EXPECT_EQ(load_settings("ebgan", "", {mse, "objective.margin=0.05"}).error, "");
  EXPECT_EQ(load_settings("ebgan", "", {mse, "objective.margin_rmse=0.18"}).error, "");
  EXPECT_TRUE(
      mentions(load_settings("ebgan", "", {mse, "objective.margin=20"}), "never switch off"));
  EXPECT_EQ(load_settings("ebgan", "", {"objective.energy=l2_sum"}).error, "");
}

TEST(GanSettings, ResolvedConfigRoundTrip) {
  for (const char* margin : {"objective.margin=12.0", "objective.margin_rmse=0.2"}) {
    const LoadedSettings once =
        load_settings("ebgan", "", {margin, "objective.pulling_away=squared"});
    ASSERT_EQ(once.error, "");
    const LoadedSettings twice = load_settings("", once.toml);
    EXPECT_EQ(twice.error, "");
    EXPECT_EQ(twice.toml, once.toml);
  }
}

TEST(GanSettings, PullingAwaySetsMicrobatch) {
  const std::vector<std::string> term = {"objective.pulling_away=squared",
                                         "model.batch_norm=false"};
  const auto with = [&](const std::string& key) {
    std::vector<std::string> all = term;
    all.push_back(key);
    return load_settings("ebgan", "", all);
  };
  EXPECT_EQ(with("train.global_batch=64").experiment.train.microbatch, 8);
  EXPECT_EQ(with("train.microbatch=16").experiment.train.microbatch, 16);
  EXPECT_TRUE(mentions(with("train.microbatch=1"), "train.microbatch"));
  EXPECT_TRUE(mentions(with("train.global_batch=8"), "train.microbatch"));
  EXPECT_FALSE(load_settings("ebgan", "", {"model.batch_norm=false"})
                   .experiment.train.microbatch.has_value());
}

TEST(GanSettings, OptionOfOtherObjectiveIsRejected) {
  for (const char* name : {"ebgan", "magan"})
    EXPECT_TRUE(mentions(load_settings(name, "", {"train.schedule=shared"}), "train.schedule"))
        << name;
  EXPECT_TRUE(mentions(load_settings("magan", "", {"objective.margin=3"}),
                       "objective.margin (command line) is an option of EBGAN; objective.name = "
                       "\"magan\" measures its margin itself"));
  EXPECT_TRUE(mentions(load_settings("magan", "", {"objective.pulling_away=squared"}),
                       "objective.pulling_away"));
  EXPECT_TRUE(mentions(load_settings("began", "", {"objective.margin=3"}), "objective.margin"));
  EXPECT_TRUE(mentions(load_settings("began", "", {"objective.margin_rmse=0.18"}),
                       "objective.margin_rmse"));
  EXPECT_TRUE(mentions(load_settings("began", "", {"objective.energy=l2_sum"}), "l1_mean"));
  EXPECT_EQ(load_settings("began", "", {"train.schedule=shared"}).error, "");
  EXPECT_TRUE(mentions(load_settings("magan", "", {"model.name=ebm", "model.output=linear"}),
                       "a generator and an autoencoder"));
}

}  // namespace
}  // namespace valley
