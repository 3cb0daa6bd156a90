#include "evaluate/evaluation.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "core/error.h"
#include "evaluate/dataset_source.h"
#include "evaluate/stored_images.h"
#include "evaluate/team_of_one.h"

namespace valley {
namespace {

// Noise of single pixels; `coarse`: noise of squares of 8 x 8 pixels.
at::Tensor noise(std::int64_t n, bool coarse) {
  if (!coarse) return noise_images(n, 32, 3);
  const at::Tensor small = noise_images(n, 4, 3).floor_divide(128) * 60;
  return small.repeat_interleave(8, 1).repeat_interleave(8, 2).contiguous();
}

class Stored final : public Dataset {
 public:
  explicit Stored(at::Tensor pixels) : pixels_(std::move(pixels)) {}
  [[nodiscard]] std::uint64_t size() const override {
    return static_cast<std::uint64_t>(pixels_.size(0));
  }
  [[nodiscard]] std::int64_t height() const override { return pixels_.size(1); }
  [[nodiscard]] std::int64_t width() const override { return pixels_.size(2); }
  [[nodiscard]] std::int64_t channels() const override { return pixels_.size(3); }
  [[nodiscard]] std::string fingerprint() const override { return "stored"; }
  [[nodiscard]] const std::filesystem::path& directory() const override { return directory_; }
  [[nodiscard]] const std::vector<std::string>& class_names() const override { return names_; }
  void read(std::uint64_t index, std::span<std::uint8_t> pixels, bool) const override {
    const at::Tensor image = pixels_[static_cast<std::int64_t>(index)].contiguous();
    std::copy_n(image.const_data_ptr<std::uint8_t>(), pixels.size(), pixels.data());
  }
  [[nodiscard]] std::int64_t label(std::uint64_t) const override { return -1; }
  [[nodiscard]] std::string name(std::uint64_t) const override { return ""; }
  std::uint64_t prefetch(std::span<const std::uint64_t>) const override { return 0; }

 private:
  at::Tensor pixels_;
  std::filesystem::path directory_ = "stored";
  std::vector<std::string> names_;
};

std::map<std::string, Metric> by_name(const std::vector<Metric>& metrics) {
  std::map<std::string, Metric> named;
  for (const Metric& m : metrics) named[m.name] = m;
  return named;
}

TEST(DatasetSource, DisjointRangesShareNoImage) {
  at::Tensor pixels = at::zeros({100, 16, 16, 1}, at::kByte);
  for (std::int64_t i = 0; i < 100; ++i) pixels[i].fill_(i);
  const auto dataset = std::make_shared<Stored>(pixels);
  std::set<std::uint8_t> seen;
  for (const std::uint64_t offset : {0U, 50U}) {
    const at::Tensor part = DatasetSource(dataset, 7, offset).pixels(0, 50);
    for (std::int64_t i = 0; i < 50; ++i) seen.insert(part[i][0][0][0].item<std::uint8_t>());
  }
  EXPECT_EQ(seen.size(), 100U);
  EXPECT_FALSE(
      DatasetSource(dataset, 7, 0).pixels(0, 50).equal(DatasetSource(dataset, 8, 0).pixels(0, 50)));
}

TEST(Evaluator, RanksSimilarImagesAboveWorseOnes) {
  const TeamOfOne one;
  const auto dataset = std::make_shared<Stored>(noise(160, false));
  Evaluator evaluator(one.team, choose_real_images(dataset, 80, 0), 0);
  const int threads = at::get_num_threads();
  auto same = by_name(evaluator.evaluate(StoredImages(noise(80, false))));
  auto worse = by_name(evaluator.evaluate(StoredImages(noise(80, true))));
  EXPECT_EQ(at::get_num_threads(), threads);
  for (const char* name : {"swd", "swd/32", "swd/16", "ms_ssim", "distance", "distance_ratio",
                           "density", "coverage", "mean/0", "mean/2", "deviation/1"}) {
    ASSERT_TRUE(same.contains(name)) << name;
    EXPECT_EQ(same[name].floor, worse[name].floor) << name;
  }
  EXPECT_EQ(same.size(), 14U);
  EXPECT_LT(same["swd"].value, 1.5 * same["swd"].floor);
  EXPECT_GT(worse["swd"].value, 2 * worse["swd"].floor);
  EXPECT_DOUBLE_EQ(same["swd"].value, (same["swd/32"].value + same["swd/16"].value) / 2);
  EXPECT_NEAR(same["distance_ratio"].value, 1, 0.1);
  EXPECT_LT(worse["distance_ratio"].value, 0.5);
  EXPECT_LT(worse["coverage"].value, 0.5 * same["coverage"].value);
}

TEST(Evaluator, IsBitwiseEqualOnAnyNumberOfThreads) {
  const auto dataset = std::make_shared<Stored>(noise(70, false));
  const StoredImages samples(noise(35, true));
  std::vector<Metric> first;
  for (const int threads : {1, 2, 5}) {
    const TeamOfOne one(threads);
    const std::vector<Metric> found =
        Evaluator(one.team, choose_real_images(dataset, 35, 3), 3).evaluate(samples);
    if (first.empty()) first = found;
    ASSERT_EQ(found.size(), first.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i].value, first[i].value) << found[i].name;
      EXPECT_EQ(found[i].floor, first[i].floor) << found[i].name;
    }
  }
}

TEST(SampleCount, IsLimitedToHalfOfTheData) {
  EXPECT_EQ(count_samples(std::nullopt, 50'000, std::nullopt, "d").images, 10'000);
  EXPECT_EQ(count_samples(std::nullopt, 50'000, std::nullopt, "d").limit, "");
  EXPECT_EQ(count_samples(500, 3926, std::nullopt, "d").images, 500);
  const SampleCount half = count_samples(3000, 3926, std::nullopt, "d");
  EXPECT_EQ(half.images, 1963);
  EXPECT_NE(half.limit.find("3926"), std::string::npos);
  EXPECT_EQ(count_samples(std::nullopt, 3926, 100, "d").images, 100);
  EXPECT_THROW(static_cast<void>(count_samples(std::nullopt, 19, std::nullopt, "d")), Error);
  EXPECT_THROW(static_cast<void>(count_samples(5, 1000, std::nullopt, "d")), Error);
  EXPECT_THROW(require_measurable(8, 8, "d"), Error);
  EXPECT_THROW(require_measurable(32, 64, "d"), Error);
}

}  // namespace
}  // namespace valley
