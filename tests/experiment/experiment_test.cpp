#include "experiment/experiment.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "core/error.h"
#include "methods/began/options.h"
#include "methods/dbn/options.h"
#include "methods/ebgan/options.h"
#include "methods/magan/options.h"
#include "plan/run_plan.h"
#include "support/temporary_folder.h"

namespace valley {
namespace {

struct LoadedText {
  Experiment experiment;
  std::string error;
};

LoadedText load_toml(const std::string& toml,
                     const std::vector<std::string>& overrides = {"data.path=x"}) {
  LoadedText loaded;
  Schema schema = loaded.experiment.schema();
  try {
    schema.load_text(toml, "test.toml", overrides);
    loaded.experiment.resolve(schema);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::kConfig);
    loaded.error = e.what();
  }
  return loaded;
}

TEST(Experiment, DefaultsMatchPaper) {
  const Experiment e = load_toml("").experiment;
  EXPECT_EQ(e.model.width, 128);
  EXPECT_EQ(e.model.latent, 64);
  EXPECT_EQ(e.train.global_batch, 16);
  EXPECT_EQ(e.optimizer.lr, 1e-4);
  EXPECT_EQ(e.objective.as<BeganOptions>().lambda_k, 0.001);
  EXPECT_EQ(e.total_steps(1000), 200'000);
}

TEST(Experiment, Bf16IsRejectedForRbms) {
  EXPECT_EQ(load_toml("[train]\nprecision = \"bf16\"").error, "");
  const std::string error = load_toml(
                                "[train]\nprecision = \"bf16\"\n[model]\nname = \"dbn\"\n"
                                "layers = [8]\n[objective]\nname = \"dbn\"")
                                .error;
  EXPECT_NE(error.find("train.precision (test.toml"), std::string::npos) << error;
}

TEST(Experiment, CudaGraphOfUnsupportedObjectiveIsRejected) {
  EXPECT_EQ(load_toml("[performance]\ncuda_graph = \"on\"").error, "");
  const std::string error = load_toml(
                                "[performance]\ncuda_graph = \"on\"\n[model]\nname = \"dbn\"\n"
                                "layers = [8]\n[objective]\nname = \"dbn\"")
                                .error;
  EXPECT_NE(error.find("performance.cuda_graph (test.toml"), std::string::npos) << error;
}

TEST(Experiment, ValueBeyondSinglePrecisionIsRejected) {
  EXPECT_EQ(load_toml("[optimizer]\nlr = 3e38").error, "");
  const std::string error = load_toml("[optimizer]\nlr = 1e300").error;
  EXPECT_NE(error.find("test.toml:2: optimizer.lr"), std::string::npos) << error;
  EXPECT_NE(error.find("at most 3.4e+38"), std::string::npos) << error;
}

TEST(Experiment, EachObjectiveHasDefaultsOfItsPaper) {
  const Experiment ebgan = Experiment::with_defaults_of("ebgan");
  EXPECT_EQ(ebgan.model.name, "ebgan");
  EXPECT_EQ(ebgan.objective.as<EbganOptions>().energy, "l2_norm");
  EXPECT_EQ(ebgan.objective.as<EbganOptions>().margin_rmse, AutoDouble{0.18});
  const Experiment magan = Experiment::with_defaults_of("magan");
  EXPECT_EQ(magan.objective.as<MaganOptions>().energy, "l2_sum");
  EXPECT_EQ(magan.model.latent_distribution, "normal");
  EXPECT_EQ(Experiment::with_defaults_of("ebm").optimizer.beta1, 0);
  EXPECT_EQ(Experiment::with_defaults_of("began").model.latent, 64);
}

TEST(Experiment, FileOverridesObjectiveDefaults) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "magan.toml";
  std::ofstream(file) << "[objective]\nname = \"magan\"\n[model]\nlatent = 50\n";
  Experiment e;
  static_cast<void>(Experiment::load(e, file, {"train.global_batch=8"}));
  EXPECT_EQ(e.model.latent, 50);
  EXPECT_EQ(e.train.global_batch, 8);
  EXPECT_EQ(e.model.name, "magan");
  EXPECT_EQ(e.objective.as<MaganOptions>().energy, "l2_sum");
}

TEST(Experiment, LengthIsStepsEpochsOrKimg) {
  EXPECT_EQ(load_toml("[train]\nsteps = 7").experiment.total_steps(100), 7);
  EXPECT_EQ(load_toml("[train]\nepochs = 3").experiment.total_steps(105),
            20);  // 315 images, rounded up
  EXPECT_EQ(load_toml("[train]\nkimg = 2").experiment.total_steps(105), 125);
  const std::string error = load_toml("[train]\nkimg = 2\nsteps = 5").error;
  EXPECT_NE(error.find("test.toml:2"), std::string::npos) << error;
}

TEST(Experiment, MissingDataPathIsRejected) {
  EXPECT_NE(load_toml("", {}).error.find("data.path"), std::string::npos);
}

TEST(Experiment, ReproducibleSetsMicrobatchAndThreads) {
  const Experiment e = load_toml("[train]\nreproducible = true\nglobal_batch = 64").experiment;
  EXPECT_EQ(e.train.microbatch, 8);
  EXPECT_EQ(e.train.threads, 1);
  EXPECT_EQ(load_toml("[train]\nreproducible = true\nglobal_batch = 4").experiment.train.microbatch,
            1);
  // 100 / 8 is not an integer, so a quarter is used.
  EXPECT_EQ(
      load_toml("[train]\nreproducible = true\nglobal_batch = 100").experiment.train.microbatch,
      25);
  EXPECT_FALSE(load_toml("").experiment.train.microbatch.has_value());
}

TEST(Experiment, UnusedOptimizerSettingIsRejected) {
  EXPECT_EQ(load_toml("[optimizer]\nname = 'sgd'\nmomentum = 0.9").error, "");
  const std::string momentum = load_toml("[optimizer]\nmomentum = 0.9").error;
  EXPECT_NE(momentum.find("test.toml:2"), std::string::npos) << momentum;
  EXPECT_NE(momentum.find("optimizer.beta1"), std::string::npos) << momentum;
}

TEST(Experiment, DecayEndsAfterTheWarmUp) {
  EXPECT_EQ(load_toml("[optimizer]\nwarmup_steps = 5\ndecay_steps = 6").error, "");
  const std::string error = load_toml("[optimizer]\nwarmup_steps = 5\ndecay_steps = 5").error;
  EXPECT_NE(error.find("optimizer.decay_steps (test.toml:3)"), std::string::npos) << error;
  EXPECT_NE(error.find("optimizer.warmup_steps (5)"), std::string::npos) << error;
}

TEST(Experiment, GridsAreColumnsTimesRows) {
  const Grid grid = parse_grid("12x3", "samples.grid");
  EXPECT_EQ(grid.columns, 12);
  EXPECT_EQ(grid.rows, 3);
  for (const char* bad : {"", "8", "8x", "x8", "0x4", "8x8x8", "8 x 8", "65x1", "-1x2"}) {
    EXPECT_THROW(static_cast<void>(parse_grid(bad, "samples.grid")), Error) << bad;
  }
}

// Conflicts of a run with `settings` and a checkpoint that saved `values` beside the defaults, but
// not `absent`.
std::vector<std::string> conflicts_of(const std::vector<std::string>& settings,
                                      const std::map<std::string, std::string>& values,
                                      const std::string& absent = "") {
  Experiment e;
  Schema schema = e.schema();
  std::map<std::string, std::string> saved = schema.values();
  for (const auto& [key, value] : values) saved[key] = value;
  saved.erase(absent);
  schema.load_text("", "", settings);
  return resume_conflicts(saved, schema);
}

TEST(Experiment, OnlyHarmlessKeysMayChangeOnResume) {
  for (const char* key : {"train.steps", "data.path", "data.decode_threads", "samples.grid",
                          "checkpoint.keep", "train.report_every"}) {
    EXPECT_TRUE(may_change_on_resume(key)) << key;
  }
  for (const char* key : {"train.seed", "objective.gamma", "optimizer.lr", "model.width",
                          "data.order", "data.mirror"}) {
    EXPECT_FALSE(may_change_on_resume(key)) << key;
  }
  const auto conflicts =
      conflicts_of({"train.seed=1", "train.steps=9"}, {{"train.seed", "0"}, {"train.steps", "5"}});
  EXPECT_EQ(conflicts, std::vector<std::string>{"train.seed: 0 -> 1"});
}

TEST(Resume, RunWithoutRampUpKeyHasNoRampUp) {
  const auto set_to = [](const std::string& value) {
    return conflicts_of({"train.ema_ramp_up=" + value}, {}, "train.ema_ramp_up");
  };
  EXPECT_EQ(set_to("0.05"), std::vector<std::string>{"train.ema_ramp_up: 0.0 -> 0.05"});
  EXPECT_TRUE(set_to("0.0").empty());
}

// Checkpoints of versions without the key.
TEST(Resume, KeyThatWasNotSavedHadItsDefault) {
  EXPECT_TRUE(conflicts_of({}, {}, "data.mirror").empty());
  EXPECT_EQ(conflicts_of({"data.mirror=true"}, {}, "data.mirror"),
            std::vector<std::string>{"data.mirror: false -> true"});
}

TEST(Experiment, RenamedKeyIsReadByEarlierName) {
  const Experiment e = load_toml("[objective]\ncooling_epochs = 4").experiment;
  EXPECT_EQ(e.objective.as<DbnOptions>().lr_decay_epochs, 4);
  const auto with_earlier_name = [](const std::string& now) {
    return conflicts_of({"objective.lr_decay_epochs=" + now}, {{"objective.cooling_epochs", "4"}},
                        "objective.lr_decay_epochs");
  };
  EXPECT_TRUE(with_earlier_name("4").empty());
  EXPECT_EQ(with_earlier_name("5"), std::vector<std::string>{"objective.lr_decay_epochs: 4 -> 5"});
}

TEST(Precision, AutoIsTf32OnGpusAndFp32Elsewhere) {
  const at::Device gpu(at::kCUDA, 0);
  Experiment e;
  EXPECT_EQ(precision_on(e, at::kCPU), TrainingPrecision::kFp32);
  EXPECT_EQ(precision_on(e, gpu), TrainingPrecision::kTf32);
  e.model.name = "dbn";
  EXPECT_EQ(precision_on(e, gpu), TrainingPrecision::kFp32);
  e.train.precision = TrainingPrecision::kBf16;
  EXPECT_EQ(precision_on(e, at::kCPU), TrainingPrecision::kBf16);
}

TEST(Performance, AutoIsOffForGraphAndCacheUntilValidatedOnGpus) {
  const Experiment e = load_toml("").experiment;
  for (const at::DeviceType device : {at::kCPU, at::kCUDA}) {
    EXPECT_FALSE(e.records_graphs(device));
    EXPECT_EQ(e.device_cache_on(device), Switch::kOff);
  }
}

TEST(Performance, GraphAndCacheAcceptOnOffAndBooleans) {
  for (const char* on : {"true", "\"on\""}) {
    const Experiment e =
        load_toml(std::string("[performance]\ncuda_graph = ") + on + "\ndevice_cache = " + on)
            .experiment;
    EXPECT_TRUE(e.records_graphs(at::kCUDA)) << on;
    EXPECT_EQ(e.device_cache_on(at::kCPU), Switch::kOn) << on;
  }
  for (const char* off : {"false", "\"off\""}) {
    const Experiment e =
        load_toml(std::string("[performance]\ncuda_graph = ") + off + "\ndevice_cache = " + off)
            .experiment;
    EXPECT_FALSE(e.records_graphs(at::kCUDA)) << off;
    EXPECT_EQ(e.device_cache_on(at::kCUDA), Switch::kOff) << off;
  }
}

}  // namespace
}  // namespace valley
