// Compares a deep belief network on several ranks with one rank: weights, PCD chains and validation
// metrics.
#include <gtest/gtest.h>

#include "comm/ranked_test.h"
#include "kernels/device.h"
#include "run/validator.h"
#include "support/small_dbn.h"

namespace valley {
namespace {

using testing::dbn_checkpoint;
using testing::kDbnSteps;
using testing::one_rank;
using testing::run_digits;
using testing::small_dbn;
using testing::world;

std::unique_ptr<Trainer> make_dbn_trainer(const Experiment& e, Communicator& communicator) {
  set_arithmetic({Precision::kFp32, true, 1});
  return std::make_unique<Trainer>(
      e, plan_microbatches(e.train.global_batch, testing::kDigitPass, communicator.size(), true),
      communicator, testing::kDigits);
}

TEST(DbnRanks, WeightsAndChainsAreBitwiseEqualToOneRank) {
  Experiment e = small_dbn(true, true);
  const Schema schema = e.schema();
  const auto alone = one_rank();
  const auto one = make_dbn_trainer(e, *alone);
  run_digits(*one, 0, kDbnSteps);
  const Checkpoint expected = dbn_checkpoint(*one, schema);

  // Trainings on all ranks from step 0, and resumed from one rank's checkpoints inside a stage and
  // at its end.
  std::vector<std::unique_ptr<Trainer>> many;
  many.push_back(make_dbn_trainer(e, world().device()));
  for (const std::int64_t step : {1, 5, 6, 11}) {
    const auto begun = make_dbn_trainer(e, *alone);
    run_digits(*begun, 0, step);
    many.push_back(make_dbn_trainer(e, world().device()));
    many.back()->restore(dbn_checkpoint(*begun, schema), schema, "data", "here");
  }
  for (const auto& trainer : many) {
    run_digits(*trainer, world().rank(), kDbnSteps - trainer->steps_done());
    EXPECT_EQ(trainer->digest(), one->digest());
    const Checkpoint got = dbn_checkpoint(*trainer, schema);
    if (world().rank() == 0) testing::expect_same_checkpoint(got, expected);
  }
}

// Images and classes computed from the index.
class Digits final : public Dataset {
 public:
  explicit Digits(std::uint64_t images, std::int64_t first) : images_(images), first_(first) {}
  [[nodiscard]] std::uint64_t size() const override { return images_; }
  [[nodiscard]] std::int64_t height() const override { return 16; }
  [[nodiscard]] std::int64_t width() const override { return 16; }
  [[nodiscard]] std::int64_t channels() const override { return 1; }
  [[nodiscard]] std::string fingerprint() const override { return "digits"; }
  [[nodiscard]] const std::filesystem::path& directory() const override { return directory_; }
  [[nodiscard]] const std::vector<std::string>& class_names() const override { return names_; }
  void read(std::uint64_t index, std::span<std::uint8_t> pixels, bool /*verify*/) const override {
    const auto image = first_ + static_cast<std::int64_t>(index);
    const at::Tensor bytes = testing::digit_batch(image)[0].contiguous();
    std::copy_n(bytes.const_data_ptr<std::uint8_t>(), pixels.size(), pixels.begin());
  }
  [[nodiscard]] std::int64_t label(std::uint64_t index) const override {
    return static_cast<std::int64_t>(index) % testing::kClasses;
  }
  [[nodiscard]] std::string name(std::uint64_t index) const override {
    return std::to_string(index);
  }
  std::uint64_t prefetch(std::span<const std::uint64_t> /*indices*/) const override { return 0; }

 private:
  std::uint64_t images_;
  std::int64_t first_;
  std::filesystem::path directory_ = "digits";
  std::vector<std::string> names_;
};

// A World of one rank, for the validator.
class WorldOfOne final : public World {
 public:
  WorldOfOne() : self_(one_rank()) {}
  [[nodiscard]] Communicator& host() override { return *self_; }
  [[nodiscard]] Communicator& device() override { return *self_; }

 private:
  std::unique_ptr<Communicator> self_;
};

TEST(DbnRanks, ValidationIsBitwiseEqualToOneRank) {
  Experiment e = small_dbn(false, true);
  e.train.threads = 1;
  e.evaluate.validation_images = 75;  // three blocks, the last one partial: rank 3 of 4 has none
  const RunData data{std::make_shared<Digits>(90, 0), std::make_shared<Digits>(100, 1000)};
  WorldOfOne alone;
  const auto one = make_dbn_trainer(e, alone.device());
  run_digits(*one, 0, 9);  // in the top RBM's stage
  const auto expected = RunValidator(alone, e, data).validate(*one);
  e.train.threads = 2;
  const auto got = RunValidator(world(), e, data).validate(*one);
  EXPECT_TRUE(expected.has_value() && got.has_value());
  if (!expected || !got) return;
  EXPECT_EQ(got->measures.size(), 4U);
  EXPECT_EQ(got->stage, "layers.1");
  EXPECT_EQ(got->training_images, 75);
  EXPECT_NE(got->measures[0].training, got->measures[0].validation);
  for (std::size_t i = 0; i < got->measures.size(); ++i) {
    const RunValidation::Measure& a = got->measures[i];
    const RunValidation::Measure& b = expected->measures[i];
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(a.training, b.training) << a.name;
    EXPECT_EQ(a.validation, b.validation) << a.name;
    EXPECT_EQ(a.gap_error, b.gap_error) << a.name;
  }
}

TEST(DbnRanks, ValidationOfWholeSetIsMeanOfImages) {
  Experiment e = small_dbn(false);
  const RunData data{std::make_shared<Digits>(40, 0), std::make_shared<Digits>(50, 1000)};
  WorldOfOne alone;
  const auto trainer = make_dbn_trainer(e, alone.device());
  run_digits(*trainer, 0, 3);
  const RunValidator validator(alone, e, data);
  EXPECT_TRUE(validator.is_due(10, 99));  // an epoch: 40 / 8 steps
  EXPECT_FALSE(validator.is_due(11, 99));
  EXPECT_TRUE(validator.is_due(99, 99));
  const auto found = validator.validate(*trainer);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->training_images, 40);
  EXPECT_EQ(found->validation_images, 50);
  at::Tensor sum = at::zeros({}, at::kDouble);
  for (std::int64_t i = 0; i < 50; ++i) {
    const at::Tensor image = testing::digit_batch(1000 + i).narrow(0, 0, 1).contiguous();
    sum += trainer->measure(image, at::zeros({1}, at::kLong), i)[0].second.sum().cpu();
  }
  EXPECT_NEAR(found->measures[0].validation, sum.item<double>() / 50, 1e-4);
}

}  // namespace
}  // namespace valley
