// Data sets whose images are stored as encoded files.
#include "data/storage.h"

#include <gtest/gtest.h>
#include <hdf5.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "core/read_file.h"
#include "data/dataset.h"
#include "data/manifest.h"
#include "data/positioned_file.h"
#include "data/shard_fixture.h"
#include "data/verify.h"
#include "image/decode.h"
#include "image/jpeg_decoder.h"
#include "image/jpeg_encoder.h"

namespace valley {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::uint64_t kImages = 70;

Image smooth_image(std::uint64_t index) {
  Image image(10 + static_cast<std::int64_t>(index % 7), 12 + static_cast<std::int64_t>(index % 5),
              index % 4 == 0 ? 1 : 3);
  for (std::size_t i = 0; i < image.pixels.size(); ++i)
    image.pixels[i] = static_cast<std::uint8_t>(mix64(index) + i * (index % 11) / 3);
  return image;
}

std::string jpeg_file(std::uint64_t index) {
  const std::vector<std::uint8_t> bytes = encode_jpeg(smooth_image(index), 90);
  return {bytes.begin(), bytes.end()};
}

// JPEG files of several shapes, gray and color.
class FileSource final : public ImageSource {
 public:
  [[nodiscard]] std::uint64_t size() const override { return kImages; }
  [[nodiscard]] std::string name(std::uint64_t index) const override {
    return std::to_string(index) + ".jpg";
  }
  [[nodiscard]] std::int64_t label(std::uint64_t index) const override {
    return static_cast<std::int64_t>(index % 3);
  }
  [[nodiscard]] std::vector<std::string> class_names() const override { return {}; }
  [[nodiscard]] std::string identity_json() const override { return R"({"kind":"files"})"; }
  [[nodiscard]] std::optional<FileDecoding> decoding() const override { return FileDecoding{}; }
  [[nodiscard]] std::unique_ptr<ImageReader> open_reader() const override {
    class Reader final : public ImageReader {
     public:
      std::variant<Image, Reject> load(std::uint64_t index) override {
        file_ = jpeg_file(index);
        DecodeLimits limits(1, 1000);
        return decode_image(file_, {}, limits);
      }
      [[nodiscard]] std::string_view encoded() const override { return file_; }

     private:
      std::string file_;
    };
    return std::make_unique<Reader>();
  }
};

class StorageTest : public ShardTest {
 protected:
  fs::path build(const std::string& storage, unsigned jobs = 2) {
    BuildOptions built = options(storage);
    built.destination = folder_ / fmt::format("{}-{}", storage, jobs);
    built.storage = parse_storage(storage);
    built.jobs = jobs;
    build_dataset(FileSource(), built);
    return built.destination;
  }
  static std::vector<std::uint8_t> pixels(const Dataset& dataset, std::uint64_t index,
                                          bool verify = true) {
    std::vector<std::uint8_t> found(dataset.image_bytes());
    dataset.read(index, found, verify);
    return found;
  }
  static std::uint64_t index_of(const Dataset& dataset, std::uint64_t i) {
    return std::stoull(dataset.name(i));
  }
  static void change_manifest(const fs::path& set, const std::function<void(json&)>& change) {
    json root = json::parse(read_file(set / kManifestFile));
    root.erase("sha256");  // so that other checks find the change
    change(root);
    put_file(set / kManifestFile, root.dump());
  }
  // Sets one value of /encoded/offsets of the first shard and forges the hashes.
  static void set_offset(const fs::path& set, std::size_t row, std::uint64_t value) {
    const fs::path path = set / "shard-00000.h5";
    const ::hid_t file = ::H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
    const ::hid_t dataset = ::H5Dopen2(file, "encoded/offsets", H5P_DEFAULT);
    std::vector<std::uint64_t> offsets(33);
    ::H5Dread(dataset, H5T_NATIVE_UINT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, offsets.data());
    offsets[row] = value;
    ASSERT_GE(::H5Dwrite(dataset, H5T_NATIVE_UINT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, offsets.data()),
              0);
    ::H5Dclose(dataset);
    ::H5Fclose(file);
    const ShardEntry entry = read_manifest(set).shards[0];
    const std::string hash =
        hash_outside(PositionedFile::open_to_read(path), entry.data_offset, entry.data_bytes);
    change_manifest(set, [&](json& root) { root["shards"][0]["meta_sha256"] = hash; });
  }
};

TEST_F(StorageTest, NamesAreParsed) {
  for (const char* name : {"raw", "keep", "jpeg:1", "jpeg:100"})
    EXPECT_EQ(storage_name(parse_storage(name)), name);
  for (const char* name : {"", "jpeg", "jpeg:", "jpeg:0", "jpeg:101", "jpeg:9x", "png", "Raw"})
    expect_error(ExitCode::kUsage, {"--storage", "jpeg:95"},
                 [&] { static_cast<void>(parse_storage(name)); });
}

TEST_F(StorageTest, KeptFilesGiveThePixelsOfARawBuild) {
  const auto raw = Dataset::open(build("raw"));
  const auto keep = Dataset::open(build("keep"));
  std::string record;
  for (std::uint64_t i = 0; i < kImages; ++i) {
    ASSERT_EQ(keep->name(i), raw->name(i));
    EXPECT_EQ(pixels(*keep, i), pixels(*raw, i));
    keep->read_record(i, record);
    EXPECT_EQ(record, jpeg_file(index_of(*keep, i)));
  }
  EXPECT_EQ(read_manifest(keep->directory()).mean, read_manifest(raw->directory()).mean);
}

TEST_F(StorageTest, JpegHoldsTheFittedImage) {
  const auto raw = Dataset::open(build("raw"));
  const auto jpeg = Dataset::open(build("jpeg:80"));
  std::string record;
  for (std::uint64_t i = 0; i < kImages; ++i) {
    Image image(8, 8, 3);
    image.pixels = pixels(*raw, i);
    const std::vector<std::uint8_t> expected = encode_jpeg(image, 80);
    jpeg->read_record(i, record);
    EXPECT_EQ(record, std::string(expected.begin(), expected.end()));
    ASSERT_FALSE(decode_jpeg_into(record, {8, 8, 3}, image.pixels));
    EXPECT_EQ(pixels(*jpeg, i), image.pixels);
  }
}

TEST_F(StorageTest, AJpegOfAnotherShapeIsDamaged) {
  const std::vector<std::uint8_t> bytes = encode_jpeg(Image(8, 8, 1), 80);
  const std::string record(bytes.begin(), bytes.end());
  for (const JpegShape shape : {JpegShape{8, 9, 1}, {9, 8, 1}, {8, 8, 3}}) {
    std::vector<std::uint8_t> into(
        static_cast<std::size_t>(shape.height * shape.width * shape.channels));
    const std::optional<Reject> reject = decode_jpeg_into(record, shape, into);
    ASSERT_TRUE(reject);
    EXPECT_EQ(reject->reason, "damaged");
  }
}

TEST_F(StorageTest, DeepVerificationAcceptsEncodedDataSets) {
  for (const char* storage : {"jpeg:80", "keep"}) {
    const VerifyReport report = verify_dataset(build(storage), true);
    for (const Problem& problem : report.problems) ADD_FAILURE() << problem.what;
    EXPECT_EQ(report.images, kImages);
  }
}

TEST_F(StorageTest, BytesDoNotDependOnThreads) {
  for (const char* storage : {"jpeg:80", "keep"})
    EXPECT_EQ(hashes(build(storage, 1)), hashes(build(storage, 5))) << storage;
}

TEST_F(StorageTest, AResumeWithAnotherStorageIsRejected) {
  const fs::path set = build("jpeg:80");
  for (const char* storage : {"raw", "keep", "jpeg:81"}) {
    BuildOptions other = options();
    other.destination = set;
    other.existing = Existing::kResume;
    other.storage = parse_storage(storage);
    expect_error(ExitCode::kUsage, {"storage", "jpeg:80"},
                 [&] { build_dataset(FileSource(), other); });
  }
}

TEST_F(StorageTest, SourcesWithoutFilesCannotKeepThem) {
  BuildOptions keep = options();
  keep.storage = parse_storage("keep");
  expect_error(ExitCode::kUsage, {"--storage keep", "raw or jpeg:95"},
               [&] { build_dataset(PatternSource(40), keep); });
  EXPECT_FALSE(fs::exists(keep.destination));
}

TEST_F(StorageTest, ADamagedRecordNamesShardAndRow) {
  for (const char* storage : {"jpeg:80", "keep"}) {
    const fs::path set = build(storage);
    const Manifest manifest = read_manifest(set);
    const ShardEntry& entry = manifest.shards[1];
    flip_byte(set / entry.file, entry.data_offset);  // the first byte of the marker of a JPEG
    const auto dataset = Dataset::open(set);
    expect_error(ExitCode::kData, {"shard-00001.h5 row 0", "image 32", "CRC32C"},
                 [&] { static_cast<void>(pixels(*dataset, 32)); });
    expect_error(ExitCode::kData, {"shard-00001.h5 row 0", "cannot be decoded"},
                 [&] { static_cast<void>(pixels(*dataset, 32, false)); });
    const VerifyReport report = verify_dataset(set, true);
    EXPECT_TRUE(std::ranges::any_of(report.problems, [](const Problem& problem) {
      return problem.file == "shard-00001.h5" && problem.row == 0U &&
             problem.what.find("cannot be decoded") != std::string::npos;
    })) << storage;
  }
}

TEST_F(StorageTest, OffsetsThatDoNotGrowAreRejected) {
  const fs::path set = build("keep");
  const std::uint64_t end = read_manifest(set).shards[0].data_bytes;
  for (const auto& [row, value] : {std::pair<std::size_t, std::uint64_t>{0, 1},
                                   {5, 0},
                                   {5, end},
                                   {5, UINT64_MAX},
                                   {32, end + 1},
                                   {32, end - 1}}) {
    const std::string shard = read_file(set / "shard-00000.h5");
    set_offset(set, row, value);
    expect_error(ExitCode::kData, {"shard-00000.h5", row == 32 ? "/encoded/data" : "offsets"},
                 [&] { Dataset::open(set); });
    put_file(set / "shard-00000.h5", shard);
  }
}

TEST_F(StorageTest, ARecordOverTheLimitIsRejected) {
  const fs::path set = build("keep");
  change_manifest(set, [](json& root) { root["parameters"]["max_pixels"] = 1; });
  expect_error(ExitCode::kData, {"shard-00000.h5 row 0", "at most 5"}, [&] { Dataset::open(set); });
}

TEST_F(StorageTest, ManifestFieldsAreChecked) {
  const fs::path set = build("keep");
  const auto rejected = [&](const char* pointer, const json& value, const char* field) {
    const std::string good = read_file(set / kManifestFile);
    change_manifest(set, [&](json& root) { root[json::json_pointer(pointer)] = value; });
    expect_error(ExitCode::kData, {"manifest.json", field},
                 [&] { static_cast<void>(read_manifest(set)); });
    put_file(set / kManifestFile, good);
  };
  rejected("/storage", "png", "storage");
  rejected("/storage", "jpeg:0", "storage");
  rejected("/shards/0/data_bytes", INT64_MAX, "shards[0].data_bytes");
  rejected("/shards/0/data_bytes", 31, "shards[0].data_bytes");
  rejected("/shards/0/data_bytes", -1, "shards[0].data_bytes");
  rejected("/parameters/exif", 1, "parameters.exif");
  rejected("/parameters/filter", "x", "parameters.filter");
  rejected("/parameters/transform", "center-crop-wide", "parameters.content_height");
  rejected("/parameters/max_pixels", "x", "parameters.max_pixels");
}

TEST_F(StorageTest, AnotherStorageInTheManifestIsRejected) {
  const fs::path set = build("jpeg:80");
  change_manifest(set, [](json& root) { root["storage"] = "jpeg:81"; });
  expect_error(ExitCode::kData, {"shard-00000.h5", "storage", "jpeg:80", "jpeg:81"},
               [&] { Dataset::open(set); });
}

}  // namespace
}  // namespace valley
