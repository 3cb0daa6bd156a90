#include "run/rescue.h"

#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <string>

#include "core/error.h"
#include "core/read_file.h"
#include "storage/checkpoint.h"
#include "support/put_file.h"
#include "support/temporary_folder.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

// Writes a checkpoint with `rescues` rescues before it.
fs::path save(const fs::path& folder, std::int64_t step, bool is_healthy, int rescues = 0) {
  Checkpoint checkpoint;
  checkpoint.step = step;
  checkpoint.model.tensors["w"] = at::zeros({2}, at::kFloat);
  checkpoint.state.tensors["m"] = at::zeros({2}, at::kFloat);
  if (rescues > 0) checkpoint.state.metadata["rescues"] = std::to_string(rescues);
  checkpoint.state_json = "{}";
  const fs::path path = write_checkpoint(folder, checkpoint);
  if (is_healthy) mark_healthy(path);
  return path;
}

TrainingLoss lost(std::int64_t step) { return {step, "divergence", "M has risen"}; }

Rescue rescue(std::int64_t from, std::int64_t to, double lr_scale = 0.5, std::size_t number = 1) {
  return {lost(from), to, lr_scale, number};
}

TEST(Rescue, ListSurvivesTheFile) {
  const TemporaryFolder folder;
  EXPECT_TRUE(read_rescues(folder.path()).empty());
  const std::vector<Rescue> rescues = {rescue(480, 300, 0.1), rescue(470, 200, 0.01)};
  write_rescues(folder.path(), rescues);
  const std::vector<Rescue> got = read_rescues(folder.path());
  ASSERT_EQ(got.size(), 2U);
  EXPECT_EQ(to_json(got), to_json(rescues));
  EXPECT_EQ(got[0].lr_scale, 0.1);
  EXPECT_EQ(got[1].loss.reason, "M has risen");
  EXPECT_EQ(list_rescues(got), "from step 480 to 300, from step 470 to 200");
}

TEST(Rescue, DamagedListIsNamed) {
  const TemporaryFolder folder;
  for (const char* text : {"[{\"lost\": 4}]", "[3]", "{\"a\": 1}", "[{\"lost\": "}) {
    put_file(folder / "rescues.json", text);
    try {
      static_cast<void>(read_rescues(folder.path()));
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kData);
      EXPECT_NE(std::string(error.what()).find("rescues.json"), std::string::npos) << error.what();
    }
  }
}

TEST(Rescue, ChangedValueIsFoundUnlessAnEarlierVersionWroteTheFile) {
  const TemporaryFolder folder;
  write_rescues(folder.path(), {rescue(480, 300, 0.1), rescue(470, 200, 0.01)});
  std::string text = read_file(folder / "rescues.json");
  text.replace(text.find("200"), 3, "300");
  put_file(folder / "rescues.json", text);
  try {
    static_cast<void>(read_rescues(folder.path()));
    ADD_FAILURE() << text;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kData);
    EXPECT_NE(std::string(error.what()).find("rescues.json: entry 2 is damaged"), std::string::npos)
        << error.what();
  }
  put_file(folder / "rescues.json", to_json({rescue(480, 300, 0.1)}));
  EXPECT_EQ(read_rescues(folder.path()).size(), 1U);
}

TEST(Rescue, ContinuesFromTheNewestHealthyCheckpoint) {
  const TemporaryFolder folder;
  for (const std::int64_t step : {100, 200, 300}) save(folder.path(), step, step < 300);
  const auto plan = plan_rescue({}, folder.path(), lost(350), {});
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->checkpoint, folder / "step-00000200");
  EXPECT_EQ(plan->rescue.step, 200);
  EXPECT_EQ(plan->rescue.loss.step, 350);
  EXPECT_EQ(plan->rescue.lr_scale, 0.5);
  EXPECT_EQ(plan->rescue.number, 1U);
  // The source of this run had two rescues.
  EXPECT_EQ(plan_rescue({}, folder.path(), lost(350), {}, 2)->rescue.number, 3U);
}

TEST(Rescue, SecondOneFromTheSameCheckpointGoesFurtherBack) {
  const TemporaryFolder folder;
  for (const std::int64_t step : {100, 200}) save(folder.path(), step, true);
  const auto again = plan_rescue({}, folder.path(), lost(350), {rescue(350, 200)});
  EXPECT_EQ(again->checkpoint, folder / "step-00000100");
  EXPECT_EQ(again->rescue.lr_scale, 0.25);
  // Healthy since then: that one.
  save(folder.path(), 300, true, 1);
  const auto later = plan_rescue({}, folder.path(), lost(450), {rescue(350, 200)});
  EXPECT_EQ(later->checkpoint, folder / "step-00000300");
}

TEST(Rescue, TheOnlyHealthyCheckpointIsUsedAgain) {
  const TemporaryFolder folder;
  save(folder.path(), 200, true);
  const auto plan = plan_rescue({}, folder.path(), lost(350), {rescue(350, 200)});
  EXPECT_EQ(plan->checkpoint, folder / "step-00000200");
}

TEST(Rescue, WithoutAHealthyCheckpointReturnsToTheInitialState) {
  const TemporaryFolder folder;
  save(folder.path(), 100, false);
  const auto plan = plan_rescue({}, folder.path(), lost(150), {});
  ASSERT_TRUE(plan);
  EXPECT_FALSE(plan->checkpoint);
  EXPECT_EQ(plan->rescue.step, 0);
}

TEST(Rescue, EndsAtTheLimit) {
  const TemporaryFolder folder;
  TrainOptions options;
  options.max_rescues = 2;
  EXPECT_TRUE(plan_rescue(options, folder.path(), lost(9), {rescue(9, 0)}));
  EXPECT_FALSE(plan_rescue(options, folder.path(), lost(9), {rescue(9, 0), rescue(9, 0)}));
}

TEST(Rescue, LearningRateHasAFloor) {
  const TemporaryFolder folder;
  TrainOptions options;
  options.rescue_lr_factor = 0.1;
  const auto scale = [&](double before) {
    return plan_rescue(options, folder.path(), lost(9), {rescue(9, 0, before)})->rescue.lr_scale;
  };
  EXPECT_DOUBLE_EQ(scale(0.5), 0.05);
  EXPECT_DOUBLE_EQ(scale(0.05), 0.01);
  EXPECT_DOUBLE_EQ(scale(0.01), 0.01);
}

TEST(Rescue, UndoneCheckpointsAreThoseSavedBeforeIt) {
  const TemporaryFolder folder;
  const std::vector<Rescue> rescues = {rescue(150, 100), rescue(480, 300, 0.25, 2)};
  EXPECT_FALSE(is_undone(save(folder.path(), 300, true, 1), rescues));
  EXPECT_TRUE(is_undone(save(folder.path(), 400, false, 1), rescues));
  EXPECT_FALSE(is_undone(save(folder.path(), 400, false, 2), rescues));
  EXPECT_FALSE(is_undone(save(folder.path(), 400, false, 0), {}));
}

}  // namespace
}  // namespace valley
