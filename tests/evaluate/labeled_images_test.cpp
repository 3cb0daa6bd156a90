#include "evaluate/labeled_images.h"

#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "data/builder.h"
#include "evaluate/class_map.h"
#include "record/image_grid.h"
#include "sources/encoded_source.h"
#include "sources/folder_files.h"
#include "support/temporary_folder.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

constexpr ImageShape kShape{8, 8, 3};

void write_plain(const fs::path& path, std::uint8_t value, std::int64_t side = 8,
                 std::int64_t channels = 3) {
  fs::create_directories(path.parent_path());
  const std::vector<std::uint8_t> pixels(static_cast<std::size_t>(side * side * channels), value);
  write_png(path, {pixels, side, side, channels});
}

// Two class folders with five files: one is gray, one is larger.
void write_classes(const fs::path& folder) {
  write_plain(folder / "cats/1.png", 10);
  write_plain(folder / "cats/2.png", 20, 30);
  write_plain(folder / "dogs/1.png", 30, 8, 1);
  write_plain(folder / "dogs/2.png", 40);
  write_plain(folder / "dogs/3.png", 50);
}

void build_shards(const fs::path& source, const fs::path& destination) {
  BuildOptions options;
  options.destination = destination;
  options.target.height = options.target.width = kShape.height;
  options.jobs = 1;
  options.shuffle_seed = std::nullopt;
  build_dataset(EncodedSource(std::make_unique<FolderFiles>(source), {}), options);
}

// The first value of each image.
std::vector<int> values_of(const LabeledImages& images) {
  const at::Tensor pixels = images.pixels(0, static_cast<std::int64_t>(images.size()));
  std::vector<int> values;
  for (std::int64_t i = 0; i < pixels.size(0); ++i)
    values.push_back(pixels.const_data_ptr<std::uint8_t>()[i * pixels.stride(0)]);
  return values;
}

std::vector<std::int64_t> labels_of(const LabeledImages& images) {
  std::vector<std::int64_t> labels;
  for (std::uint64_t i = 0; i < images.size(); ++i) labels.push_back(images.label(i));
  return labels;
}

void expect_error(ExitCode code, const std::vector<std::string>& parts,
                  const std::function<void()>& action) {
  try {
    action();
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    for (const std::string& part : parts)
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos)
          << part << " is not in: " << error.what();
  }
}

using Values = std::vector<int>;
using Labels = std::vector<std::int64_t>;
using Names = std::vector<std::string>;

TEST(LabeledImages, FolderKeepsFileOrderAndClasses) {
  const TemporaryFolder folder;
  write_classes(folder / "pets");
  const auto images = open_images({(folder / "pets").string()}, kShape, "m");
  ASSERT_EQ(images->size(), 5U);
  EXPECT_EQ(values_of(*images), (Values{10, 20, 30, 40, 50}));
  EXPECT_EQ(labels_of(*images), (Labels{0, 0, 1, 1, 1}));
  EXPECT_EQ(images->class_names(), (Names{"cats", "dogs"}));
  EXPECT_EQ(images->name(3), "dogs/2.png");
  EXPECT_EQ(images->index(3), 3U);
  const at::Tensor two = images->pixels(1, 2);
  EXPECT_EQ(two.sizes(), (at::IntArrayRef{2, 8, 8, 3}));
  const auto gray = open_images({(folder / "pets").string()}, {4, 4, 1}, "m");
  EXPECT_EQ(gray->pixels(0, 1).sizes(), (at::IntArrayRef{1, 4, 4, 1}));
}

TEST(LabeledImages, ShardsEqualTheirSourceFolder) {
  const TemporaryFolder folder;
  write_classes(folder / "pets");
  build_shards(folder / "pets", folder / "shards");
  const auto files = open_images({(folder / "pets").string()}, kShape, "m");
  const auto shards = open_images({(folder / "shards").string()}, kShape, "m");
  ASSERT_EQ(shards->size(), files->size());
  for (std::uint64_t i = 0; i < files->size(); ++i) {
    EXPECT_EQ(shards->name(i), files->name(i));
    EXPECT_EQ(shards->label(i), files->label(i));
  }
  EXPECT_TRUE(shards->pixels(0, 5).equal(files->pixels(0, 5)));
  expect_error(ExitCode::kUsage, {"shards", "8x8x3", "16x16x1", "some.safetensors", "--resolution"},
               [&] {
                 static_cast<void>(
                     open_images({(folder / "shards").string()}, {16, 16, 1}, "some.safetensors"));
               });
}

TEST(LabeledImages, SeveralInputsAreConcatenated) {
  const TemporaryFolder folder;
  write_classes(folder / "pets");
  build_shards(folder / "pets", folder / "shards");
  write_plain(folder / "more/birds/1.png", 60);
  write_plain(folder / "more/dogs/9.png", 70);
  write_plain(folder / "lone.png", 80);
  write_plain(folder / "other.png", 90);
  const auto path = [&](const char* name) { return (folder / name).string(); };
  const auto images =
      open_images({path("lone.png"), path("other.png"), path("shards"), path("more")}, kShape, "m");
  EXPECT_EQ(values_of(*images), (Values{80, 90, 10, 20, 30, 40, 50, 60, 70}));
  EXPECT_EQ(images->class_names(), (Names{"cats", "dogs", "birds"}));
  EXPECT_EQ(labels_of(*images), (Labels{-1, -1, 0, 0, 1, 1, 1, 2, 1}));
  EXPECT_EQ(images->name(0), path("lone.png"));
  EXPECT_EQ(images->name(8), path("more") + "/dogs/9.png");
  const auto turned = open_images({path("more"), path("shards")}, kShape, "m");
  EXPECT_NE(turned->fingerprint(), images->fingerprint());
}

// A folder with a dataset.json: one 8x8 image per label, of the value 10, 20, ...
void write_numbered(const fs::path& folder, const Labels& labels, const Names& names) {
  std::string text = "{\"labels\": [";
  for (std::size_t i = 0; i < labels.size(); ++i) {
    write_plain(folder / fmt::format("{}.png", i), static_cast<std::uint8_t>(10 * (i + 1)));
    text += fmt::format("{}[\"{}.png\", {}]", i == 0 ? "" : ", ", i, labels[i]);
  }
  text += "]";
  if (!names.empty())
    text += fmt::format(", \"class_names\": [\"{}\"]", fmt::join(names, "\", \""));
  write_file((folder / "dataset.json").string(), text + "}");
}

TEST(LabeledImages, EqualClassListsKeepEqualNamesApart) {
  const TemporaryFolder folder;
  const Names names{"crane", "maillot", "crane"};
  write_numbered(folder / "a", {2, 0, 1}, names);
  write_numbered(folder / "b", {1, 2}, names);
  const auto images = open_images({(folder / "a").string(), (folder / "b").string()}, kShape, "m");
  EXPECT_EQ(images->class_names(), names);
  EXPECT_EQ(labels_of(*images), (Labels{2, 0, 1, 1, 2}));
}

TEST(LabeledImages, AmbiguousClassNameIsRejected) {
  const TemporaryFolder folder;
  const auto path = [&](const char* name) { return (folder / name).string(); };
  write_numbered(path("a"), {2, 0, 1}, {"crane", "maillot", "crane"});
  write_numbered(path("b"), {0}, {"crane"});
  write_numbered(path("c"), {1, 0}, {"heron", "stork"});
  for (const auto& [first, second] : {std::pair{"a", "b"}, std::pair{"b", "a"}}) {
    expect_error(ExitCode::kData, {"\"crane\"", path("a"), path("b"), "unique"}, [&] {
      static_cast<void>(open_images({path(first), path(second)}, kShape, "m"));
    });
  }
  // A name that is ambiguous in one input alone keeps all of its classes.
  const auto joined = open_images({path("c"), path("a")}, kShape, "m");
  EXPECT_EQ(joined->class_names(), (Names{"heron", "stork", "crane", "maillot", "crane"}));
  EXPECT_EQ(labels_of(*joined), (Labels{1, 0, 4, 2, 3}));
}

TEST(LabeledImages, LabelsWithoutNamesIndexTheOnlyList) {
  const TemporaryFolder folder;
  const auto path = [&](const char* name) { return (folder / name).string(); };
  write_numbered(path("a"), {1, 0}, {"crane", "maillot"});
  write_numbered(path("plain"), {1, 0}, {});
  const auto images = open_images({path("plain"), path("a")}, kShape, "m");
  EXPECT_EQ(images->class_names(), (Names{"crane", "maillot"}));
  EXPECT_EQ(labels_of(*images), (Labels{1, 0, 1, 0}));
  write_numbered(path("b"), {1, 0}, {"maillot", "crane"});
  expect_error(ExitCode::kData, {path("plain"), "class_names"}, [&] {
    static_cast<void>(open_images({path("a"), path("plain"), path("b")}, kShape, "m"));
  });
}

TEST(ClassMap, RepeatedNamesGetTheirIndex) {
  EXPECT_EQ(distinct_names({"crane", "maillot", "crane", "crane (0)"}),
            (Names{"crane (0)'", "maillot", "crane (2)", "crane (0)"}));
}

TEST(ClassMap, NamesOfSeveralClassesAreRejected) {
  const Names twice{"crane", "maillot", "crane"};
  EXPECT_EQ(match_classes(twice, twice, "m"), (Labels{0, 1, 2}));
  EXPECT_EQ(match_classes({"maillot"}, twice, "m"), (Labels{1}));
  expect_error(ExitCode::kData, {"\"crane\"", "0 and 2 of m", "unique"}, [&] {
    static_cast<void>(match_classes({"maillot", "crane"}, twice, "m"));
  });
  expect_error(ExitCode::kData, {"\"crane\"", "0 and 2 of the images"}, [&] {
    static_cast<void>(match_classes(twice, {"maillot", "crane"}, "m"));
  });
}

TEST(LabeledImages, ChosenImagesKeepOrderAndIndex) {
  const TemporaryFolder folder;
  for (int i = 0; i < 40; ++i)
    write_plain(folder / fmt::format("set/{:02}.png", i), static_cast<std::uint8_t>(i));
  const auto all = open_images({(folder / "set").string()}, kShape, "m");
  EXPECT_EQ(choose_images(all, 40, 1), all);
  EXPECT_EQ(values_of(*choose_images(all, 3, std::nullopt)), (Values{0, 1, 2}));
  const auto some = choose_images(all, 8, 7);
  const Values values = values_of(*some);
  EXPECT_EQ(std::set<int>(values.begin(), values.end()).size(), 8U);
  EXPECT_TRUE(std::is_sorted(values.begin(), values.end()));
  for (std::uint64_t i = 0; i < 8; ++i) {
    EXPECT_EQ(some->index(i), static_cast<std::uint64_t>(values[i]));
    EXPECT_EQ(some->name(i), fmt::format("{:02}.png", values[i]));
  }
  EXPECT_EQ(values_of(*choose_images(all, 8, 7)), values);
  EXPECT_NE(values_of(*choose_images(all, 8, 8)), values);
  EXPECT_NE(choose_images(all, 8, 7)->fingerprint(), choose_images(all, 8, 8)->fingerprint());
}

TEST(LabeledImages, InvalidInputsAreRejectedByName) {
  const TemporaryFolder folder;
  const auto open = [&](const std::string& name) {
    return open_images({(folder / name).string()}, kShape, "m");
  };
  expect_error(ExitCode::kMissingInput, {"absent", "neither"}, [&] { open("absent"); });
  fs::create_directories(folder / "empty");
  expect_error(ExitCode::kData, {"empty", "neither shards nor"}, [&] { open("empty"); });
  write_file(folder / "words.png", "no picture at all");
  expect_error(ExitCode::kData, {"words.png"},
               [&] { static_cast<void>(open("words.png")->pixels(0, 1)); });
}

}  // namespace
}  // namespace valley
