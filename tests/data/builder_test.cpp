#include "data/builder.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <cmath>
#include <thread>

#include "core/read_file.h"
#include "data/dataset.h"
#include "data/manifest.h"
#include "data/rejects_file.h"
#include "data/shard_fixture.h"
#include "data/verify.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

class BuilderTest : public ShardTest {};

// The index that the source gave an image, from its name.
std::uint64_t source_index(const Dataset& dataset, std::uint64_t i) {
  const std::string name = dataset.name(i);
  return std::stoull(name.substr(name.rfind('-') + 1));
}

TEST_F(BuilderTest, StoresEveryImageOnceWithItsPixelsNameAndLabel) {
  const BuildReport report = build_dataset(PatternSource(100), options());
  EXPECT_EQ(report.images, 100U);
  EXPECT_EQ(report.shards, 4U);
  const auto dataset = Dataset::open(folder_ / "set");
  ASSERT_EQ(dataset->size(), 100U);
  EXPECT_EQ(dataset->fingerprint(), report.fingerprint);
  EXPECT_EQ(dataset->class_names(), PatternSource(1).class_names());
  std::vector<bool> seen(100, false);
  bool is_sorted = true;
  std::vector<std::uint8_t> pixels(dataset->image_bytes());
  for (std::uint64_t i = 0; i < 100; ++i) {
    const std::uint64_t source = source_index(*dataset, i);
    EXPECT_FALSE(seen[source]);
    seen[source] = true;
    is_sorted = is_sorted && source == i;
    EXPECT_EQ(dataset->name(i), "bild-ä-" + std::to_string(source));
    EXPECT_EQ(dataset->label(i), static_cast<std::int64_t>(source % 3));
    dataset->read(i, pixels, true);
    EXPECT_EQ(pixels, PatternSource::pixels(source));
  }
  EXPECT_FALSE(is_sorted) << "shuffled by default";
}

TEST_F(BuilderTest, WithoutShufflingKeepsTheOrderOfTheSource) {
  BuildOptions plain = options();
  plain.shuffle_seed.reset();
  build_dataset(PatternSource(40), plain);
  const auto dataset = Dataset::open(folder_ / "set");
  for (std::uint64_t i = 0; i < 40; ++i) EXPECT_EQ(source_index(*dataset, i), i);
}

TEST_F(BuilderTest, BytesDoNotDependOnThreadsNorOnTime) {
  const PatternSource source(100, [](std::uint64_t i) -> std::optional<Reject> {
    if (i == 17) return Reject{"bad", "seventeen"};
    if (i % 13 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    return std::nullopt;
  });
  std::map<std::string, std::string> first;
  for (const unsigned jobs : {1U, 2U, 7U}) {
    BuildOptions with_jobs = options(fmt::format("jobs-{}", jobs));
    with_jobs.jobs = jobs;
    build_dataset(source, with_jobs);
    const auto found = hashes(with_jobs.destination);
    EXPECT_EQ(found.size(), 4U + 4U);  // shards, manifest, index, rejects, sums
    if (first.empty()) first = found;
    EXPECT_EQ(found, first);
  }
}

TEST_F(BuilderTest, AnotherSeedGivesAnotherOrder) {
  BuildOptions other = options("other");
  other.shuffle_seed = 1;
  EXPECT_NE(build_dataset(PatternSource(100), options()).fingerprint,
            build_dataset(PatternSource(100), other).fingerprint);
}

TEST_F(BuilderTest, FingerprintDoesNotDependOnTheSharding) {
  BuildOptions large = options("large");
  large.shard_images = 64;
  EXPECT_EQ(build_dataset(PatternSource(100), options()).fingerprint,
            build_dataset(PatternSource(100), large).fingerprint);
}

TEST_F(BuilderTest, MaxImagesTakesTheFirstOfTheOrder) {
  BuildOptions few = options("few");
  few.max_images = 40;
  EXPECT_EQ(build_dataset(PatternSource(100), few).images, 40U);
  build_dataset(PatternSource(100), options());
  const auto all = Dataset::open(folder_ / "set");
  const auto first = Dataset::open(folder_ / "few");
  for (std::uint64_t i = 0; i < 40; ++i) EXPECT_EQ(first->name(i), all->name(i));
}

TEST_F(BuilderTest, TotalsMatchTheImages) {
  build_dataset(PatternSource(50), options());
  const Manifest manifest = read_manifest(folder_ / "set");
  EXPECT_EQ(manifest.class_histogram,
            (std::map<std::int64_t, std::uint64_t>{{0, 17}, {1, 17}, {2, 16}}));
  double sum = 0;
  double squares = 0;
  for (std::uint64_t i = 0; i < 50; ++i) {
    const std::vector<std::uint8_t> pixels = PatternSource::pixels(i);
    for (std::size_t p = 1; p < pixels.size(); p += 3) {
      sum += pixels[p];
      squares += pixels[p] * pixels[p];
    }
  }
  const double mean = sum / (50 * 64);
  EXPECT_DOUBLE_EQ(manifest.mean[1], mean);
  EXPECT_NEAR(manifest.deviation[1], std::sqrt(squares / (50 * 64) - mean * mean), 1e-9);
}

TEST_F(BuilderTest, RejectsAreSkippedAndListed) {
  const PatternSource source(100, [](std::uint64_t i) -> std::optional<Reject> {
    if (i == 3 || i == 60) return Reject{"truncated", fmt::format("at {}", i)};
    if (i == 99) return Reject{"no glyph", ""};
    return std::nullopt;
  });
  BuildOptions lenient = options();
  lenient.max_error_rate = 0.03;
  const BuildReport report = build_dataset(source, lenient);
  EXPECT_EQ(report.images, 97U);
  EXPECT_EQ(report.rejects,
            (std::map<std::string, std::uint64_t>{{"no glyph", 1}, {"truncated", 2}}));
  const std::vector<RejectedImage> rejects = read_rejects(folder_ / "set", 100);
  ASSERT_EQ(rejects.size(), 3U);
  for (const RejectedImage& reject : rejects) {
    if (reject.name == "bild-ä-60") {
      EXPECT_EQ(reject.detail, "at 60");
    }
  }
  EXPECT_EQ(Dataset::open(folder_ / "set")->size(), 97U);
  EXPECT_TRUE(verify_dataset(folder_ / "set", true).problems.empty());
}

TEST_F(BuilderTest, TooManyRejectsFailAndAHigherRateResumes) {
  const PatternSource source(100, [](std::uint64_t i) -> std::optional<Reject> {
    if (i % 20 == 0) return Reject{"truncated", ""};
    return std::nullopt;
  });
  BuildOptions strict = options();
  strict.max_error_rate = 0.04;
  expect_error(ExitCode::kData, {"5 of 100", "truncated: 5", "rejects.jsonl", "--max-error-rate"},
               [&] { build_dataset(source, strict); });
  expect_error(ExitCode::kData, {"unfinished", "--resume"},
               [this] { Dataset::open(folder_ / "set"); });
  strict.max_error_rate = 0.05;
  strict.existing = Existing::kResume;
  EXPECT_EQ(build_dataset(source, strict).images, 95U);
  BuildOptions fresh = options("fresh");
  fresh.max_error_rate = 0.05;
  build_dataset(source, fresh);
  EXPECT_EQ(hashes(folder_ / "set"), hashes(folder_ / "fresh"));
}

TEST_F(BuilderTest, OnlyRejectsIsAnError) {
  const PatternSource source(3, [](std::uint64_t) { return Reject{"bad", ""}; });
  BuildOptions lenient = options();
  lenient.max_error_rate = 1;
  expect_error(ExitCode::kData, {"no image could be stored", "bad: 3"},
               [&] { build_dataset(source, lenient); });
  expect_error(ExitCode::kData, {"no image"}, [&] { build_dataset(PatternSource(0), lenient); });
}

TEST_F(BuilderTest, AFailureOnAThreadEndsTheBuildAndCanBeResumed) {
  std::atomic<bool> fails = true;
  const PatternSource source(100, [&fails](std::uint64_t i) -> std::optional<Reject> {
    if (fails && i == 50) throw Error(ExitCode::kIo, "reading archive.zip: Input/output error");
    return std::nullopt;
  });
  BuildOptions resumed = options();
  expect_error(ExitCode::kIo, {"archive.zip"}, [&] { build_dataset(source, resumed); });
  fails = false;
  resumed.existing = Existing::kResume;
  build_dataset(source, resumed);
  build_dataset(source, options("fresh"));
  EXPECT_EQ(hashes(folder_ / "set"), hashes(folder_ / "fresh"));
}

TEST_F(BuilderTest, KilledBuildsResumeToTheSameBytes) {
  const PatternSource source(300, [](std::uint64_t i) -> std::optional<Reject> {
    if (i == 7) return Reject{"bad", ""};
    std::this_thread::sleep_for(std::chrono::microseconds(200));
    return std::nullopt;
  });
  build_dataset(source, options("fresh"));
  const auto expected = hashes(folder_ / "fresh");
  BuildOptions resumed = options();
  resumed.existing = Existing::kResume;
  int kills = 0;
  for (int attempt = 0; attempt < 100; ++attempt) {
    const ::pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      try {
        build_dataset(source, resumed);
      } catch (...) {
        ::_exit(1);
      }
      ::_exit(0);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5 + 13 * attempt));
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    if (!WIFSIGNALED(status)) break;
    ++kills;
  }
  EXPECT_GE(kills, 2);
  EXPECT_EQ(hashes(folder_ / "set"), expected);
}

TEST_F(BuilderTest, ResumeOfACompleteSetChangesNothing) {
  build_dataset(PatternSource(50), options());
  const auto before = hashes(folder_ / "set");
  BuildOptions resumed = options();
  resumed.existing = Existing::kResume;
  const BuildReport report = build_dataset(PatternSource(50), resumed);
  EXPECT_EQ(report.resumed_images, 50U);
  EXPECT_EQ(hashes(folder_ / "set"), before);
}

TEST_F(BuilderTest, ResumeWithOtherParametersNamesThem) {
  build_dataset(PatternSource(50), options());
  BuildOptions other = options();
  other.existing = Existing::kResume;
  other.target.filter = Filter::kBox;
  other.shuffle_seed = 9;
  expect_error(ExitCode::kUsage,
               {"filter: \"lanczos\" there, \"box\" now", "shuffle_seed: 0 there, 9 now"},
               [&] { build_dataset(PatternSource(50), other); });
}

TEST_F(BuilderTest, ResumeRejectsADamagedShard) {
  build_dataset(PatternSource(50), options());
  flip_byte(folder_ / "set/shard-00000.h5", 20);
  BuildOptions resumed = options();
  resumed.existing = Existing::kResume;
  expect_error(ExitCode::kData, {"shard-00000.h5", "metadata"},
               [&] { build_dataset(PatternSource(50), resumed); });
}

TEST_F(BuilderTest, ExistingDataSetIsKeptByDefault) {
  build_dataset(PatternSource(50), options());
  const auto before = hashes(folder_ / "set");
  expect_error(ExitCode::kCannotWrite, {"--resume", "--overwrite"},
               [this] { build_dataset(PatternSource(60), options()); });
  EXPECT_EQ(hashes(folder_ / "set"), before);
  BuildOptions overwriting = options();
  overwriting.existing = Existing::kOverwrite;
  EXPECT_EQ(build_dataset(PatternSource(20), overwriting).images, 20U);
  EXPECT_FALSE(fs::exists(folder_ / "set/shard-00001.h5")) << "of the replaced set";
  EXPECT_TRUE(verify_dataset(folder_ / "set", true).problems.empty());
}

TEST_F(BuilderTest, ForeignDirectoriesAreNotChanged) {
  fs::create_directories(folder_ / "set");
  put_file(folder_ / "set/thesis.tex", "precious");
  for (const Existing existing : {Existing::kRefuse, Existing::kResume, Existing::kOverwrite}) {
    BuildOptions any = options();
    any.existing = existing;
    expect_error(ExitCode::kCannotWrite, {"thesis.tex", "empty directory"},
                 [&] { build_dataset(PatternSource(5), any); });
  }
  EXPECT_EQ(read_file(folder_ / "set/thesis.tex"), "precious");
  put_file(folder_ / "file", "");
  expect_error(ExitCode::kCannotWrite, {"is a file"},
               [this] { build_dataset(PatternSource(5), options("file")); });
}

TEST_F(BuilderTest, OneBuilderPerDirectory) {
  const DestinationLock lock(folder_ / "set");
  expect_error(ExitCode::kCannotWrite, {"another valley process"},
               [this] { build_dataset(PatternSource(5), options()); });
}

TEST_F(BuilderTest, TooLittleSpaceIsReportedBeforeWriting) {
  BuildOptions huge = options();
  huge.target.height = huge.target.width = 16384;
  expect_error(ExitCode::kCannotWrite, {"the shards need ", "iB are free there", "--max-images"},
               [&] { build_dataset(PatternSource(10'000'000), huge); });
  EXPECT_FALSE(fs::exists(folder_ / "set/manifest.json"));
}

TEST_F(BuilderTest, InvalidOptionsAreRejected) {
  const auto refused = [this](const char* part, const std::function<void(BuildOptions&)>& change) {
    BuildOptions wrong = options();
    change(wrong);
    expect_error(ExitCode::kUsage, {part}, [&] { build_dataset(PatternSource(5), wrong); });
  };
  refused("--shard-images", [](BuildOptions& o) { o.shard_images = 0; });
  refused("multiple of 32", [](BuildOptions& o) { o.shard_images = 33; });
  refused("--resolution", [](BuildOptions& o) { o.target.height = 0; });
  refused("--resolution", [](BuildOptions& o) { o.target.width = 100000; });
  refused("--max-images", [](BuildOptions& o) { o.max_images = 0; });
  EXPECT_FALSE(fs::exists(folder_ / "set"));
}

TEST_F(BuilderTest, APlanWritesNothing) {
  BuildOptions few = options();
  few.max_images = 70;
  const BuildPlan plan = plan_build(PatternSource(100), few);
  EXPECT_EQ(plan.images, 70U);
  EXPECT_EQ(plan.shards, 3U);
  EXPECT_EQ(plan.bytes, 70U * 192);
  EXPECT_FALSE(fs::exists(folder_ / "set"));
}

TEST_F(BuilderTest, ProgressReachesTheCaller) {
  const PatternSource source(60, [](std::uint64_t) -> std::optional<Reject> {
    std::this_thread::sleep_for(std::chrono::milliseconds(15));
    return std::nullopt;
  });
  BuildOptions with_progress = options();
  std::uint64_t last = 0;
  with_progress.progress = [&last](const BuildProgress& progress) {
    EXPECT_GE(progress.images, last);
    EXPECT_EQ(progress.candidates, 60U);
    last = progress.images;
  };
  build_dataset(source, with_progress);
  EXPECT_GT(last, 0U);
}

}  // namespace
}  // namespace valley
