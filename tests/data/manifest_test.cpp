#include "data/manifest.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/atomic_file.h"
#include "data/shard_fixture.h"

namespace valley {
namespace {

using nlohmann::json;

Manifest example() {
  Manifest manifest;
  manifest.complete = true;
  manifest.dataset_uuid = "6c9cb6d0-0000-8000-8000-000000000000";
  manifest.writer_version = "valley 0";
  manifest.fingerprint = std::string(64, 'a');
  manifest.images = 40;
  manifest.height = manifest.width = 8;
  manifest.channels = 3;
  manifest.shard_images = 32;
  manifest.class_names = {"cat", "Vögel"};
  manifest.class_histogram = {{-1, 30}, {1, 10}};
  manifest.candidates = 50;
  manifest.next_candidate = 50;
  manifest.rejects = {{"no glyph", 10}};
  manifest.parameters_json = R"({"alpha":"white"})";
  for (std::uint64_t i = 0; i < 2; ++i)
    manifest.shards.push_back({"shard-0000" + std::to_string(i) + ".h5",
                               20000,
                               std::string(64, 'b'),
                               std::string(64, 'c'),
                               i == 0 ? 32U : 8U,
                               32 * i,
                               4096,
                               {i + 1, 2, 3},
                               {4, 5, 6}});
  set_statistics(manifest);
  return manifest;
}

TEST(Manifest, RoundTrips) {
  const Manifest manifest = example();
  const std::string text = to_json(manifest);
  const Manifest again = parse_manifest(text, "m");
  EXPECT_EQ(to_json(again), text);
  EXPECT_EQ(again.reject_count(), 10U);
  EXPECT_EQ(again.bytes(), 40000U);
  EXPECT_EQ(again.class_histogram, manifest.class_histogram);
  EXPECT_EQ(again.mean, manifest.mean);
}

TEST(Manifest, StatisticsAreOfAllPixels) {
  Manifest manifest = example();
  const double pixels = 40.0 * 64;
  EXPECT_DOUBLE_EQ(manifest.mean[0], 3 / pixels);
  EXPECT_DOUBLE_EQ(manifest.deviation[1], std::sqrt(10 / pixels - 16 / pixels / pixels));
}

struct Damage {
  const char* pointer;  // JSON pointer of the field
  json value;
  const char* named;  // in the message
};

TEST(Manifest, EveryDamagedFieldIsNamed) {
  const std::vector<Damage> damages{
      {"/format", "other", "format"},
      {"/format_version", 2, "format_version"},
      {"/state", "half", "state"},
      {"/dataset_uuid", 3, "dataset_uuid"},
      {"/fingerprint", "abc", "fingerprint"},
      {"/images", 41, "images"},
      {"/images", -1, "images"},
      {"/images", "40", "images"},
      {"/height", 0, "height"},
      {"/height", 1e30, "height"},
      {"/width", 70000, "width"},
      {"/channels", 2, "channels"},
      {"/layout", "CHW", "layout"},
      {"/storage", "jpeg:0", "storage"},
      {"/shard_images", 0, "shard_images"},
      {"/mean", json::array({1}), "mean"},
      {"/mean", "x", "mean"},
      {"/class_names", json::array({1}), "class_names"},
      {"/class_histogram", json::object({{"x", 1}}), "class_histogram"},
      {"/rejects", json::object({{"x", "y"}}), "rejects"},
      {"/parameters", json::array(), "parameters"},
      {"/shards", json::object(), "shards"},
      {"/shards/0", 7, "shards[0]"},
      {"/shards/0/file", "../../etc/passwd", "shards[0].file"},
      {"/shards/1/file", "shard-00000.h5", "shards[1].file"},
      {"/shards/0/state", "writing", "shards[0].state"},
      {"/shards/0/bytes", 4096, "shards[0].data_offset"},
      {"/shards/0/bytes", UINT64_MAX, "shards[0].bytes"},
      {"/shards/0/sha256", std::string(64, 'G'), "shards[0].sha256"},
      {"/shards/0/meta_sha256", nullptr, "shards[0].meta_sha256"},
      {"/shards/0/n", 31, "shards[0].n"},
      {"/shards/1/n", 0, "shards[1].n"},
      {"/shards/1/n", 33, "shards[1].n"},
      {"/shards/1/global_offset", 31, "shards[1].global_offset"},
      {"/shards/0/data_offset", INT64_MAX, "shards[0].data_offset"},
      {"/shards/0/sum", json::array({1, 2}), "shards[0].sum"},
      {"/shards/0/sum_squares", json::array({-1, 2, 3}), "shards[0].sum_squares"},
  };
  for (const Damage& damage : damages) {
    json root = json::parse(to_json(example()));
    root[json::json_pointer(damage.pointer)] = damage.value;
    try {
      static_cast<void>(parse_manifest(root.dump(), "set/manifest.json"));
      ADD_FAILURE() << "accepted: " << damage.pointer << " = " << damage.value;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kData);
      EXPECT_NE(std::string(error.what()).find("set/manifest.json"), std::string::npos);
      EXPECT_NE(std::string(error.what()).find(damage.named), std::string::npos) << error.what();
    }
  }
}

TEST(Manifest, EveryMissingFieldIsNamed) {
  json whole = json::parse(to_json(example()));
  whole.erase("sha256");  // which earlier versions did not write
  for (const auto& [key, value] : whole.items()) {
    json root = whole;
    root.erase(key);
    try {
      static_cast<void>(parse_manifest(root.dump(), "m"));
      ADD_FAILURE() << "accepted without " << key;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(key), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find("is missing"), std::string::npos) << error.what();
    }
  }
}

TEST(Manifest, ChangedValuesAreFoundByTheDigest) {
  const std::vector<std::pair<const char*, json>> changes{
      {"/mean/0", 1.5},
      {"/class_names/0", "bat"},
      {"/fingerprint", std::string(64, 'b')},
      {"/parameters/alpha", "black"},
      {"/shards/0/meta_sha256", std::string(64, 'e')},
      {"/sha256", std::string(64, 'd')},
  };
  for (const auto& [pointer, value] : changes) {
    json root = json::parse(to_json(example()));
    root[json::json_pointer(pointer)] = value;
    try {
      static_cast<void>(parse_manifest(root.dump(), "set/manifest.json"));
      ADD_FAILURE() << "accepted: " << pointer;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kData);
      EXPECT_EQ(std::string(error.what()).find("set/manifest.json: damaged or edited"), 0U);
    }
    root.erase("sha256");
    EXPECT_NO_THROW(static_cast<void>(parse_manifest(root.dump(), "m"))) << "of an earlier version";
  }
}

TEST(Manifest, InvalidManifestTextIsRejected) {
  const std::string good = to_json(example());
  for (const std::string& text :
       {std::string(), std::string("null"), std::string("[]"), std::string("{"),
        std::string(200000, '['), std::string("\xff\xfe"), good.substr(0, good.size() / 2)})
    EXPECT_THROW(static_cast<void>(parse_manifest(text, "m")), Error) << text.substr(0, 20);
}

class ManifestFile : public ShardTest {};

TEST_F(ManifestFile, MissingFilesAreNamedWithAdvice) {
  expect_error(ExitCode::kMissingInput, {"no-such-set", "valley shard build"},
               [this] { static_cast<void>(read_manifest(folder_ / "no-such-set")); });
  expect_error(ExitCode::kMissingInput, {folder_.string(), "manifest.json"},
               [this] { static_cast<void>(read_manifest(folder_)); });
}

}  // namespace
}  // namespace valley
