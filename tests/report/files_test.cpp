#include <fmt/core.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <fstream>

#include "core/error.h"
#include "core/self_digest.h"
#include "report/run_files.h"
#include "support/temporary_folder.h"

namespace valley::report {
namespace {

namespace fs = std::filesystem;

void put(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

// A chunk of a PNG with its length and CRC-32.
std::string chunk(const std::string& type, const std::string& data) {
  const std::string checked = type + data;
  const auto big_endian = [](std::size_t value) {
    std::string bytes;
    for (const unsigned shift : {24U, 16U, 8U, 0U}) bytes += static_cast<char>(value >> shift);
    return bytes;
  };
  const auto crc =
      ::crc32_z(0, reinterpret_cast<const unsigned char*>(checked.data()), checked.size());
  return big_endian(data.size()) + checked + big_endian(crc);
}

// A PNG of 258x3 pixels without useful pixels, `bytes` long.
std::string png(std::size_t bytes) {
  const std::string head =
      "\x89PNG\r\n\x1A\n" + chunk("IHDR", std::string("\0\0\x01\x02\0\0\0\x03\b\2\0\0\0", 13));
  const std::string end = chunk("IEND", "");
  return head + chunk("IDAT", std::string(bytes - head.size() - end.size() - 12, 'x')) + end;
}

std::vector<double> steps_of(const GridImages& grids) {
  std::vector<double> steps;
  for (const GridImage& image : grids.fakes) steps.push_back(image.step);
  return steps;
}

void expect_rejection(const fs::path& path, ExitCode code, const std::string& part) {
  try {
    (void)read_run(path, {});
    ADD_FAILURE() << path;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find(path.string()), std::string::npos) << error.what();
  }
}

TEST(EvenSelection, IncludesTheFirstAndTheLast) {
  using Indices = std::vector<std::size_t>;
  EXPECT_EQ(even_selection(5, 5), (Indices{0, 1, 2, 3, 4}));
  EXPECT_EQ(even_selection(9, 3), (Indices{0, 4, 8}));
  EXPECT_EQ(even_selection(100, 2), (Indices{0, 99}));
  EXPECT_EQ(even_selection(100, 1), (Indices{99}));
  EXPECT_EQ(even_selection(0, 3), Indices{});
}

TEST(FindGrids, SortsByStepAndIgnoresLaterSteps) {
  const TemporaryFolder folder;
  for (const char* name : {"fakes-00000200.png", "fakes-init.png", "reals.png",
                           "fakes-00000100.png", "fakes-00000900.png", "other.png", "fakes-x.png"})
    put(folder / name, png(100));
  put(folder / "fakes-00000150.png", "not an image, but as long as a PNG header");
  const GridImages grids = find_grids(folder.path(), 200, {});
  EXPECT_EQ(steps_of(grids), (std::vector<double>{0, 100, 200}))
      << "step 900 was undone by a resume";
  EXPECT_EQ(grids.unusable, std::vector<std::string>{"fakes-00000150.png: not a PNG file"});
  ASSERT_TRUE(grids.reals);
  EXPECT_EQ(grids.reals->width, 258U);
  EXPECT_EQ(grids.reals->height, 3U);
  EXPECT_EQ(find_grids(folder.path(), -1, {}).fakes.size(), 4U);
}

TEST(FindGrids, LeavesOutImagesWithAFlippedBitOrCutOff) {
  const TemporaryFolder folder;
  put(folder / "fakes-00000100.png", png(100));
  put(folder / "fakes-00000300.png", png(100) + "x");
  for (std::size_t byte = 0; byte < 100; ++byte) {
    std::string damaged = png(100);
    damaged[byte] = static_cast<char>(damaged[byte] ^ 4);
    put(folder / "reals.png", damaged);
    put(folder / "fakes-00000200.png", png(100).substr(0, byte));
    const GridImages grids = find_grids(folder.path(), -1, {});
    EXPECT_FALSE(grids.reals) << byte;
    EXPECT_EQ(steps_of(grids), std::vector<double>{100}) << byte;
    EXPECT_EQ(grids.unusable.size(), 3U) << byte;
  }
  const std::vector<std::string> unusable = find_grids(folder.path(), -1, {}).unusable;
  EXPECT_NE(unusable.at(2).find("reals.png: damaged"), std::string::npos) << unusable.at(2);
}

TEST(FindGrids, SelectsEvenlyWithinTheLimits) {
  const TemporaryFolder folder;
  for (int step = 0; step <= 100; ++step)
    put(folder / fmt::format("fakes-{:08}.png", step), png(1000));
  const GridImages many = find_grids(folder.path(), -1, {5, 1'000'000});
  EXPECT_EQ(many.found, 101U);
  EXPECT_EQ(steps_of(many), (std::vector<double>{0, 25, 50, 75, 100}));
  EXPECT_EQ(steps_of(find_grids(folder.path(), -1, {60, 3500})), (std::vector<double>{0, 50, 100}));
  put(folder / "fakes-00000100.png", png(5000));
  const GridImages large = find_grids(folder.path(), -1, {60, 3500});
  EXPECT_EQ(large.unusable.size(), 1U);
  EXPECT_EQ(steps_of(large).back(), 99);
}

TEST(ReadRun, ConfigThatWasChangedIsANotice) {
  const TemporaryFolder folder;
  const std::string config = with_digest_line("[train]\nseed = 7\n");
  put(folder / "config.toml", config);
  put(folder / "run.json", "[]");
  put(folder / "stats.jsonl", "");
  EXPECT_TRUE(read_run(folder.path(), {}).notices.empty());
  put(folder / "config.toml", config.substr(0, config.size() - 2) + "5\n");
  const RunFiles run = read_run(folder.path(), {});
  EXPECT_EQ(run.setting("train.seed"), "5");
  EXPECT_EQ(run.notices,
            std::vector<std::string>{"config.toml was edited or damaged after Valley wrote it."});
}

TEST(FindWarnings, ListsEqualWarningsOnce) {
  const std::vector<LogMessage> found = find_warnings(
      "2026-11-24T21:54:21+00:00 run: x\n2026-11-24T21:54:22+00:00 [1] warning: slow\n"
      "2026-11-24T21:54:23+00:00 [0] warning: slow\n2026-11-24T21:54:24+00:00 error: full\ntorn");
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].time, "2026-11-24T21:54:22+00:00");
  EXPECT_EQ(found[0].text, "warning: slow");
  EXPECT_EQ(found[0].times, 2U);
  EXPECT_EQ(found[1].text, "error: full");
}

TEST(ReadRun, RejectsOtherPathsAndDescribesThem) {
  const TemporaryFolder folder;
  const fs::path run = folder / "runs/00001-x";
  put(run / "config.toml", "");
  put(run / "checkpoints/step-00000001/COMMIT", "");
  put(folder / "empty/file", "");
  expect_rejection(folder / "absent", ExitCode::kMissingInput, "does not exist");
  expect_rejection(folder / "empty", ExitCode::kMissingInput, "not a run directory");
  expect_rejection(folder / "runs", ExitCode::kMissingInput, "such as " + run.string());
  expect_rejection(run / "config.toml", ExitCode::kMissingInput, "(" + run.string() + ")");
  expect_rejection(run / "checkpoints/step-00000001", ExitCode::kMissingInput, run.string() + ")");
  expect_rejection(run / "checkpoints", ExitCode::kMissingInput, "not a run directory");
  put(run / "stats.jsonl", "not JSON\n\xFF\xFE\n");
  expect_rejection(run, ExitCode::kData, "stats.jsonl");
}

TEST(ReadRun, KeepsTheOrderOfSettings) {
  const TemporaryFolder folder;
  put(folder / "config.toml",
      "[train]\nsteps = 5\nlr = 0.18\n[data]\npath = 'a \"b'\nsizes = [1, 2]\n[a.b]\nc = true\n"
      "d = [['x', 0.7],\n ['y', 3]]\ne = [[1]]\n");
  const RunFiles run = read_run(folder.path(), {});
  EXPECT_EQ(run.settings, (Fields{{"train.steps", "5"},
                                  {"train.lr", "0.18"},
                                  {"data.path", "\"a \\\"b\""},
                                  {"data.sizes", "[ 1, 2 ]"},
                                  {"a.b.c", "true"},
                                  {"a.b.d", "[[\"x\", 0.7], [\"y\", 3]]"},
                                  {"a.b.e", "[ [ 1 ] ]"}}));
  EXPECT_EQ(run.name, folder.path().filename().string());
  EXPECT_EQ(read_run(folder.path() / "", {}).name, run.name);
}

TEST(ReadRun, EnergyUnitFollowsTheObjective) {
  RunFiles run;
  EXPECT_EQ(run.energy(), "");
  run.settings = {{"objective.name", "\"ebgan\""}, {"objective.energy", "\"l2_norm\""}};
  EXPECT_EQ(run.energy(), "l2_norm");
  run.settings[0].second = "\"dbn\"";  // has the key but ignores it
  EXPECT_EQ(run.energy(), "free energy, nats");
  run.settings[0].second = "\"ebm\"";
  EXPECT_EQ(run.energy(), "");
}

TEST(ReadRun, MissingAndDamagedFilesGiveNotices) {
  const TemporaryFolder folder;
  put(folder / "run.json", "[{\"host\": \"n01\", \"ranks\": 2}, 3, {\"x\": null}]");
  EXPECT_EQ(read_run(folder.path(), {}).notices.size(), 2U) << "config.toml and stats.jsonl";
  put(folder / "config.toml", "[train\n");
  put(folder / "exit.json", "{\"exit_code\":");
  put(folder / "stats.jsonl",
      "{\"step\": 1}\n?\n{\"event\": \"samples\", \"step\": 1, \"file\": "
      "\"fakes-00000001.png\"}\n");
  put(folder / "reals.png", "");
  const RunFiles run = read_run(folder.path(), {});
  ASSERT_EQ(run.notices.size(), 5U);
  EXPECT_EQ(run.notices[0].find("config.toml is damaged at line 1"), 0U) << run.notices[0];
  EXPECT_EQ(run.notices[1], "exit.json is damaged: it is not JSON.");
  EXPECT_EQ(run.notices[2], "1 of 3 lines of stats.jsonl are damaged and were ignored.");
  EXPECT_EQ(run.notices[3], "Image not shown: reals.png: not a PNG file");
  EXPECT_EQ(run.notices[4], "1 of the 1 grids in stats.jsonl have been deleted.");
  ASSERT_EQ(run.launches.size(), 2U);
  EXPECT_EQ(field(run.launches[0], "ranks"), "2");
  EXPECT_EQ(field(run.launches[0], "none"), "");
}

TEST(ReadRun, DataSizeIsReadOnlyIfTheFingerprintIsEqual) {
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  put(run / "config.toml", fmt::format("[data]\npath = \"{}\"\n", (folder / "data").string()));
  put(run / "run.json", "[{\"data_fingerprint\": \"abc\"}]");
  put(folder / "data/manifest.json", "{\"fingerprint\": \"abc\", \"images\": 105}");
  EXPECT_EQ(read_run(run, {}).data, (Fields{{"images", "105"}}));
  put(folder / "data/manifest.json", "{\"fingerprint\": \"other\", \"images\": 105}");
  EXPECT_TRUE(read_run(run, {}).data.empty());
}

}  // namespace
}  // namespace valley::report
