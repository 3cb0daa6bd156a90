// The loader on a data-set directory written by the builder.
#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/hash.h"
#include "data/builder.h"
#include "data/loader.h"
#include "data/manifest.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kSide = 6;
constexpr std::uint64_t kShardImages = 100;
constexpr std::uint64_t kImageBytes = kSide * kSide * 3;

std::uint8_t byte_of(std::uint64_t image, std::uint64_t offset) {
  return static_cast<std::uint8_t>(mix64(image * 4096 + offset));
}

class NoiseReader : public ImageReader {
 public:
  std::variant<Image, Reject> load(std::uint64_t index) override {
    Image image(kSide, kSide, 3);
    for (std::uint64_t i = 0; i < kImageBytes; ++i) image.pixels[i] = byte_of(index, i);
    return image;
  }
};

class NoiseSource : public ImageSource {
 public:
  std::uint64_t size() const override { return kShardImages; }
  std::string name(std::uint64_t index) const override { return "noise-" + std::to_string(index); }
  std::int64_t label(std::uint64_t index) const override {
    return static_cast<std::int64_t>(index % 4);
  }
  std::vector<std::string> class_names() const override { return {"a", "b", "c", "d"}; }
  std::string identity_json() const override { return R"({"kind": "noise"})"; }
  std::unique_ptr<ImageReader> open_reader() const override {
    return std::make_unique<NoiseReader>();
  }
};

// Four shards of 32, 32, 32 and 4 images in the order of the source.
class LoaderOnShards : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ =
        fs::path(::testing::TempDir()) / ("valley-loader-shards-" + std::to_string(::getpid()));
    build({});
  }
  void build(const Storage& storage) const {
    fs::remove_all(directory_);
    BuildOptions options;
    options.destination = directory_;
    options.storage = storage;
    options.target.height = kSide;
    options.target.width = kSide;
    options.target.channels = 3;
    options.shard_images = 32;
    options.shuffle_seed = std::nullopt;
    build_dataset(NoiseSource(), options);
  }
  void TearDown() override { fs::remove_all(directory_); }

  // Changes a byte in the middle of an image on the disk.
  void damage(std::uint64_t image) const {
    const ShardEntry shard = read_manifest(directory_).shards.at(image / 32);
    const auto at =
        static_cast<std::streamoff>(shard.data_offset + image % 32 * kImageBytes + kImageBytes / 2);
    std::fstream file(directory_ / shard.file, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(at);
    const auto byte = static_cast<char>(file.get() ^ 0x10);
    file.seekp(at);
    file.put(byte);
    ASSERT_TRUE(file.good());
  }

  fs::path directory_;
};

TEST_F(LoaderOnShards, DeliversTheStoredImages) {
  for (const auto kind : {OrderKind::kGlobal, OrderKind::kWindow}) {
    const std::shared_ptr<const Dataset> dataset = Dataset::open(directory_);
    const Order order(8, dataset->size(), kind);
    LoaderOptions options;
    options.global_batch = 12;
    options.threads = 2;
    options.verify = Verify::kAlways;
    Loader loader(dataset, order, options);
    for (std::uint64_t step = 0; step < 25; ++step) {  // three epochs
      const Batch& batch = loader.next();
      const auto* pixels = batch.pixels.const_data_ptr<std::uint8_t>();
      const auto* labels = batch.labels.const_data_ptr<std::int64_t>();
      for (std::uint64_t row = 0; row < 12; ++row) {
        const auto image = order.image_at(step * 12 + row);
        ASSERT_EQ(labels[row], static_cast<std::int64_t>(image % 4));
        for (std::uint64_t i = 0; i < kImageBytes; ++i) {
          ASSERT_EQ(pixels[row * kImageBytes + i], byte_of(image, i)) << "image " << image;
        }
      }
    }
  }
}

TEST_F(LoaderOnShards, DecodedBatchesDoNotDependOnThreadsAndResumes) {
  build(parse_storage("jpeg:70"));
  const std::shared_ptr<const Dataset> dataset = Dataset::open(directory_);
  const Order order(8, dataset->size(), OrderKind::kGlobal);
  std::vector<std::uint8_t> expected(kImageBytes);
  for (const std::int64_t threads : {1, 2, 5}) {
    LoaderOptions options;
    options.global_batch = 22;  // pieces of 4 rows; two ranks with 11 rows each
    options.ranks = 2;
    options.rank = 1;
    options.threads = threads;
    options.first_step = threads;
    options.verify = Verify::kAlways;
    Loader loader(dataset, order, options);
    for (std::uint64_t step = 0; step < 12; ++step) {
      const Batch& batch = loader.next();
      const auto* pixels = batch.pixels.const_data_ptr<std::uint8_t>();
      for (std::uint64_t row = 0; row < 11; ++row) {
        const std::uint64_t image = order.image_at(batch.first_position + row);
        dataset->read(image, expected, true);
        ASSERT_EQ(batch.labels.const_data_ptr<std::int64_t>()[row], dataset->label(image));
        ASSERT_TRUE(std::equal(expected.begin(), expected.end(), pixels + row * kImageBytes))
            << "step " << step << " row " << row;
      }
    }
  }
}

TEST_F(LoaderOnShards, NamesShardAndRowOfAFlippedBit) {
  damage(71);  // row 7 of the third shard
  const std::shared_ptr<const Dataset> dataset = Dataset::open(directory_);
  const Order order(8, dataset->size(), OrderKind::kGlobal);
  std::int64_t step_of_damage = 0;
  while (order.image_at(static_cast<std::uint64_t>(step_of_damage)) != 71) ++step_of_damage;

  LoaderOptions options;
  options.global_batch = 1;
  Loader loader(dataset, order, options);
  for (std::int64_t step = 0; step < step_of_damage; ++step) {
    ASSERT_EQ(loader.next().step, step);
  }
  try {
    static_cast<void>(loader.next());
    FAIL() << "a damaged image was delivered";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kData);
    const std::string message = error.what();
    EXPECT_NE(message.find("shard-00002.h5 row 7 "), std::string::npos) << message;
    EXPECT_NE(message.find("noise-71"), std::string::npos) << message;
    EXPECT_NE(message.find("valley shard verify"), std::string::npos) << message;
  }
}

TEST_F(LoaderOnShards, ChecksPixelsOnlyInTheFirstEpochByDefault) {
  damage(71);
  const std::shared_ptr<const Dataset> dataset = Dataset::open(directory_);
  const Order order(8, dataset->size(), OrderKind::kGlobal);
  LoaderOptions options;
  options.global_batch = 10;
  options.first_step = 10;  // the second epoch
  Loader second_epoch(dataset, order, options);
  for (int i = 0; i < 10; ++i) EXPECT_NO_THROW(static_cast<void>(second_epoch.next()));

  options.verify = Verify::kAlways;
  Loader strict(dataset, order, options);
  const auto epoch = [&strict] {
    for (int i = 0; i < 10; ++i) static_cast<void>(strict.next());
  };
  EXPECT_THROW(epoch(), Error);
}

}  // namespace
}  // namespace valley
