#include "data/dataset.h"

#include <gtest/gtest.h>
#include <hdf5.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "core/read_file.h"
#include "data/manifest.h"
#include "data/positioned_file.h"
#include "data/shard_check.h"
#include "data/shard_fixture.h"
#include "data/verify.h"

namespace valley {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Three shards of 32, 32 and 6 images.
class DatasetTest : public ShardTest {
 protected:
  void SetUp() override {
    ShardTest::SetUp();
    build_dataset(PatternSource(70), options());
    set_ = folder_ / "set";
    manifest_ = read_manifest(set_);
  }
  void open_fails(ExitCode code, const std::vector<std::string>& parts) {
    expect_error(code, parts, [this] { Dataset::open(set_); });
  }
  void change_manifest(const std::function<void(json&)>& change) {
    json root = json::parse(read_file(set_ / kManifestFile));
    root.erase("sha256");  // so that other checks find the change
    change(root);
    put_file(set_ / kManifestFile, root.dump());
  }
  // Updates the manifest for a shard that a test changed, so that only later checks fail.
  void forge_hashes(std::size_t shard) {
    const ShardEntry& entry = manifest_.shards[shard];
    const PositionedFile file = PositionedFile::open_to_read(set_ / entry.file);
    const FileHashes hashes =
        hash_whole_and_outside(file, entry.data_offset, entry.images * manifest_.image_bytes());
    change_manifest([&](json& root) {
      root["shards"][shard]["sha256"] = hashes.whole;
      root["shards"][shard]["meta_sha256"] = hashes.outside;
      root["shards"][shard]["bytes"] = file.size();
    });
  }
  fs::path set_;
  Manifest manifest_;
};

TEST_F(DatasetTest, DescribesItself) {
  const auto dataset = Dataset::open(set_);
  EXPECT_EQ(dataset->size(), 70U);
  EXPECT_EQ(dataset->height(), 8);
  EXPECT_EQ(dataset->width(), 8);
  EXPECT_EQ(dataset->channels(), 3);
  EXPECT_EQ(dataset->image_bytes(), 192U);
  EXPECT_EQ(dataset->directory(), set_);
}

TEST_F(DatasetTest, SeveralThreadsRead) {
  const auto dataset = Dataset::open(set_);
  const auto read_all = [&dataset] {
    std::vector<std::uint8_t> pixels(dataset->image_bytes());
    for (std::uint64_t i = 0; i < 70; ++i) dataset->read(i, pixels, true);
  };
  std::thread other(read_all);
  read_all();
  other.join();
  const std::vector<std::uint64_t> wanted{0, 69, 33};
  EXPECT_EQ(dataset->prefetch(wanted), 0U);  // all were read
}

TEST_F(DatasetTest, AFlippedPixelNamesShardAndRow) {
  const ShardEntry& entry = manifest_.shards[1];
  flip_byte(set_ / entry.file, entry.data_offset + 5 * 192 + 100);
  const auto dataset = Dataset::open(set_);  // pixels are checked when they are read
  std::vector<std::uint8_t> pixels(192);
  dataset->read(37, pixels, false);
  expect_error(ExitCode::kData, {"shard-00001.h5 row 5", "image 37", dataset->name(37), "CRC32C"},
               [&] { dataset->read(37, pixels, true); });
  dataset->read(36, pixels, true);
}

// The metadata hash is compared before HDF5 opens the file, so the message does not depend on the
// changed byte.
TEST_F(DatasetTest, FlippedMetadataIsRejectedBeforeHdf5) {
  const ShardEntry& entry = manifest_.shards[0];
  const std::uint64_t end_of_pixels = entry.data_offset + entry.images * 192;
  for (const std::uint64_t offset : {std::uint64_t{0}, std::uint64_t{9}, entry.data_offset / 2,
                                     entry.data_offset - 1, end_of_pixels, entry.bytes - 1}) {
    if (offset >= entry.data_offset && offset < end_of_pixels) continue;
    if (offset >= entry.bytes) continue;
    flip_byte(set_ / entry.file, offset);
    open_fails(ExitCode::kData, {"shard-00000.h5", "SHA-256 of its metadata"});
    flip_byte(set_ / entry.file, offset);
  }
  Dataset::open(set_);
}

TEST_F(DatasetTest, ATruncatedShardIsNamedWithItsSizes) {
  const std::uint64_t bytes = manifest_.shards[2].bytes;
  fs::resize_file(set_ / "shard-00002.h5", bytes - 1);
  open_fails(ExitCode::kData, {"shard-00002.h5", fmt::format("{} bytes", bytes - 1), "truncated"});
  fs::resize_file(set_ / "shard-00002.h5", 0);
  open_fails(ExitCode::kData, {"shard-00002.h5", "0 bytes"});
}

TEST_F(DatasetTest, AMissingShardIsMissingInput) {
  fs::remove(set_ / "shard-00001.h5");
  open_fails(ExitCode::kMissingInput, {"shard-00001.h5"});
}

TEST_F(DatasetTest, AShardOfAnotherSetIsRejected) {
  BuildOptions other = options("other");
  other.shuffle_seed = 5;
  build_dataset(PatternSource(70), other);
  fs::copy_file(folder_ / "other/shard-00001.h5", set_ / "shard-00001.h5",
                fs::copy_options::overwrite_existing);
  open_fails(ExitCode::kData, {"shard-00001.h5"});
  forge_hashes(1);
  open_fails(ExitCode::kData, {"shard-00001.h5", "dataset_uuid"});
}

TEST_F(DatasetTest, SwappedShardsAreRejected) {
  fs::rename(set_ / "shard-00000.h5", set_ / "x");
  fs::rename(set_ / "shard-00001.h5", set_ / "shard-00000.h5");
  fs::rename(set_ / "x", set_ / "shard-00001.h5");
  forge_hashes(0);
  forge_hashes(1);
  open_fails(ExitCode::kData, {"shard-00000.h5", "shard_index"});
}

TEST_F(DatasetTest, AWrongCountInTheManifestIsRejected) {
  change_manifest([](json& root) { root["images"] = 71; });
  open_fails(ExitCode::kData, {"manifest.json", "images", "70"});
}

TEST_F(DatasetTest, ACountThatAgreesWithItselfButNotWithTheShardIsRejected) {
  change_manifest([](json& root) {
    root["images"] = 69;
    root["shards"][2]["n"] = 5;
  });
  forge_hashes(2);
  manifest_ = read_manifest(set_);
  forge_hashes(2);
  open_fails(ExitCode::kData, {"shard-00002.h5", "shape"});
}

TEST_F(DatasetTest, AWrongOffsetIsRejected) {
  change_manifest([](json& root) {
    root["shards"][0]["data_offset"] = root["shards"][0]["data_offset"].get<int>() - 64;
  });
  manifest_ = read_manifest(set_);
  forge_hashes(0);
  open_fails(ExitCode::kData, {"shard-00000.h5", "data offset"});
}

// Changes of a shard by HDF5 programs; the hashes are forged so that the next check must fail.
TEST_F(DatasetTest, ShardOfAKilledWriterIsIncomplete) {
  const std::string path = (set_ / "shard-00000.h5").string();
  const ::hid_t file = ::H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  ASSERT_GE(::H5Adelete(file, "complete"), 0);
  ::H5Fclose(file);
  open_fails(ExitCode::kData, {"shard-00000.h5"});
  forge_hashes(0);
  open_fails(ExitCode::kData, {"shard-00000.h5", "incomplete", "--resume"});
}

TEST_F(DatasetTest, AnotherFormatVersionIsNamed) {
  const std::string path = (set_ / "shard-00000.h5").string();
  const ::hid_t file = ::H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  const ::hid_t attribute = ::H5Aopen(file, "format_version", H5P_DEFAULT);
  const std::int64_t version = 2;
  ::H5Awrite(attribute, H5T_NATIVE_INT64, &version);
  ::H5Aclose(attribute);
  ::H5Fclose(file);
  forge_hashes(0);
  open_fails(ExitCode::kData, {"shard-00000.h5", "format version 2"});
}

TEST_F(DatasetTest, FileThatIsNotHdf5IsRejectedByName) {
  const std::uint64_t bytes = manifest_.shards[0].bytes;
  put_file(set_ / "shard-00000.h5", std::string(bytes, 'x'));
  forge_hashes(0);
  open_fails(ExitCode::kData, {"shard-00000.h5", "opening the shard"});
}

TEST_F(DatasetTest, MutatedMetadataWithForgedHashesNeverCrashes) {
  const ShardEntry entry = manifest_.shards[0];
  const std::string good = read_file(set_ / entry.file);
  int refused = 0;
  for (std::uint64_t i = 0; i < 400; ++i) {
    std::string bad = good;
    bad[mix64(i) % entry.data_offset] = static_cast<char>(mix64(i + 7));
    put_file(set_ / entry.file, bad);
    forge_hashes(0);
    try {
      Dataset::open(set_);
    } catch (const Error& error) {
      ++refused;
      EXPECT_NE(std::string(error.what()).find("shard-00000.h5"), std::string::npos);
    }
  }
  EXPECT_GT(refused, 10);
}

TEST_F(DatasetTest, MissingDirectoriesAndForeignOnesAreNamed) {
  expect_error(ExitCode::kMissingInput, {"nowhere"},
               [this] { Dataset::open(folder_ / "nowhere"); });
  expect_error(ExitCode::kMissingInput, {"manifest.json"}, [this] { Dataset::open(folder_); });
}

TEST_F(DatasetTest, VerifyAcceptsAGoodDataSet) {
  for (const bool deep : {false, true}) {
    const VerifyReport report = verify_dataset(set_, deep);
    EXPECT_TRUE(report.problems.empty());
    EXPECT_EQ(report.images, 70U);
    EXPECT_EQ(report.shards, 3U);
  }
}

TEST_F(DatasetTest, VerifyListsAllProblems) {
  const ShardEntry& entry = manifest_.shards[0];
  flip_byte(set_ / entry.file, entry.data_offset + 3 * 192);
  flip_byte(set_ / entry.file, entry.data_offset + 31 * 192 + 191);
  flip_byte(set_ / "shard-00001.h5", 40);
  fs::remove(set_ / "shard-00002.h5");
  flip_byte(set_ / kIndexFile, 100);
  const VerifyReport report = verify_dataset(set_, false);
  ASSERT_EQ(report.problems.size(), 5U);
  EXPECT_EQ(report.images, 30U);
  const auto has = [&report](const std::string& file, std::optional<std::uint64_t> row,
                             const std::string& what) {
    for (const Problem& problem : report.problems) {
      if (problem.file == file && problem.row == row &&
          problem.what.find(what) != std::string::npos)
        return true;
    }
    return false;
  };
  EXPECT_TRUE(has("shard-00000.h5", 3, "CRC32C"));
  EXPECT_TRUE(has("shard-00000.h5", 31, "CRC32C"));
  EXPECT_TRUE(has("shard-00001.h5", std::nullopt, "metadata"));
  EXPECT_TRUE(has("shard-00002.h5", std::nullopt, "No such file"));
  EXPECT_TRUE(has("index.h5", std::nullopt, "metadata"));
}

TEST_F(DatasetTest, VerifyFindsAFlipInAnyFileAtAnyPlace) {
  for (const auto& file : fs::directory_iterator(set_)) {
    const std::uint64_t bytes = fs::file_size(file.path());
    if (bytes == 0) continue;
    for (std::uint64_t i = 0; i < 12; ++i) {
      const std::uint64_t offset = mix64(i + bytes) % bytes;
      flip_byte(file.path(), offset);
      EXPECT_FALSE(verify_dataset(set_, false).problems.empty()) << file.path() << " " << offset;
      flip_byte(file.path(), offset);
    }
  }
}

TEST_F(DatasetTest, DeepVerifyRecomputesTheTotals) {
  change_manifest([](json& root) {
    root["fingerprint"] = std::string(64, '0');
    root["mean"][0] = 1.0;
    root["class_histogram"]["0"] = 1;
    root["shards"][0]["sum"][0] = 5;
  });
  std::string found;
  for (const Problem& problem : verify_dataset(set_, true).problems) found += problem.what + "\n";
  for (const char* what : {"fingerprint", "mean and deviation", "class_histogram", "sums of shard"})
    EXPECT_NE(found.find(what), std::string::npos) << found;
}

TEST_F(DatasetTest, LargePixelDataIsAligned) {
  BuildOptions large = options("large");
  large.target.height = large.target.width = 128;
  build_dataset(PatternSource(32), large);
  const Manifest manifest = read_manifest(large.destination);
  EXPECT_EQ(manifest.shards[0].data_offset % (2U << 20U), 0U);
  EXPECT_EQ(Dataset::open(large.destination)->image_bytes(), 128U * 128 * 3);
}

}  // namespace
}  // namespace valley
