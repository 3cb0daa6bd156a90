#include "data/ranked_build.h"

#include <gtest/gtest.h>

#include <barrier>
#include <thread>

#include "data/shard_fixture.h"
#include "data/storage.h"

namespace valley {
namespace {

// Ranks that are threads of this process.
class ThreadJob {
 public:
  explicit ThreadJob(int size)
      : texts_(static_cast<std::size_t>(size)), barrier_(size), size_(size) {}

  class Rank final : public BuildRanks {
   public:
    Rank(ThreadJob& job, int rank) : job_(job), rank_(rank) {}
    [[nodiscard]] int rank() const override { return rank_; }
    [[nodiscard]] int size() const override { return job_.size_; }
    [[nodiscard]] std::vector<std::string> gather(const std::string& text) override {
      job_.texts_[static_cast<std::size_t>(rank_)] = text;
      job_.barrier_.arrive_and_wait();
      std::vector<std::string> texts = job_.texts_;
      job_.barrier_.arrive_and_wait();
      return texts;
    }
    [[nodiscard]] std::string broadcast(const std::string& text) override {
      return gather(text).front();
    }

   private:
    ThreadJob& job_;
    int rank_;
  };

 private:
  std::vector<std::string> texts_;
  std::barrier<> barrier_;
  int size_;
};

class RankedBuildTest : public ShardTest {
 protected:
  static std::optional<BuildReport> build(const ImageSource& source, const BuildOptions& options,
                                          int ranks) {
    ThreadJob job(ranks);
    std::optional<BuildReport> report;
    std::vector<std::thread> threads;
    for (int rank = 0; rank < ranks; ++rank)
      threads.emplace_back([&, rank] {
        ThreadJob::Rank own(job, rank);
        auto built = build_dataset_on_ranks(source, options, own, fmt::format("test.{}", rank));
        if (built) report = std::move(built);
      });
    for (std::thread& thread : threads) thread.join();
    return report;
  }

  // A source of `images` candidates of which every `nth` is rejected; 0: none.
  static PatternSource source(std::uint64_t images, std::uint64_t nth) {
    return PatternSource(images, [nth](std::uint64_t i) -> std::optional<Reject> {
      if (nth > 0 && i % nth == 1) return Reject{"bad", fmt::format("number {}", i)};
      return std::nullopt;
    });
  }

  void expect_same_bytes(const PatternSource& source, const BuildOptions& how) {
    BuildOptions one = how;
    one.destination = folder_ / "one";
    const BuildReport expected = build_dataset(source, one);
    for (const int ranks : {1, 2, 5}) {
      BuildOptions several = how;
      several.destination = folder_ / fmt::format("ranks-{}", ranks);
      const std::optional<BuildReport> report = build(source, several, ranks);
      ASSERT_TRUE(report.has_value());
      EXPECT_EQ(report->images, expected.images);
      EXPECT_EQ(report->rejects, expected.rejects);
      EXPECT_EQ(report->fingerprint, expected.fingerprint);
      EXPECT_EQ(hashes(several.destination), hashes(one.destination)) << ranks << " ranks";
    }
  }
};

TEST_F(RankedBuildTest, BytesAreThoseOfOneProcess) {
  for (const std::uint64_t nth : {0, 3, 50}) {
    SCOPED_TRACE(nth);
    BuildOptions how = options();
    how.max_error_rate = 1;
    expect_same_bytes(source(300, nth), how);
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
}

TEST_F(RankedBuildTest, EncodedRecordsAreThoseOfOneProcess) {
  BuildOptions how = options();
  how.max_error_rate = 1;
  how.storage = parse_storage("jpeg:90");
  expect_same_bytes(source(150, 7), how);
}

TEST_F(RankedBuildTest, ChunksWithoutAnyImageAreSkipped) {
  BuildOptions how = options();
  how.max_error_rate = 1;
  how.shuffle_seed.reset();
  const PatternSource source(300, [](std::uint64_t i) -> std::optional<Reject> {
    if (i >= 20 && i < 280) return Reject{"bad", "in the middle"};
    return std::nullopt;
  });
  expect_same_bytes(source, how);
}

TEST_F(RankedBuildTest, LimitOfImagesIsThatOfOneProcess) {
  BuildOptions how = options();
  how.max_error_rate = 1;
  how.max_images = 77;
  expect_same_bytes(source(300, 2), how);
}

}  // namespace
}  // namespace valley
