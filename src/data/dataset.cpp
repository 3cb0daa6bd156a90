#include "data/dataset.h"

#include <sys/resource.h>

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "data/manifest.h"
#include "data/positioned_file.h"
#include "data/shard_check.h"

namespace valley {
namespace {

// One descriptor per shard stays open; millions of images can exceed a soft limit of 1,024.
void allow_descriptors(std::uint64_t wanted) {
  ::rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const ::rlim_t enough = wanted + 256;
  if (limit.rlim_cur >= enough) return;
  limit.rlim_cur = std::min(enough, limit.rlim_max);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

class ShardedDataset final : public Dataset {
 public:
  ShardedDataset(std::filesystem::path directory, Manifest manifest)
      : directory_(std::move(directory)), manifest_(std::move(manifest)) {
    allow_descriptors(manifest_.shards.size());
    shards_.reserve(manifest_.shards.size());
    for (std::uint64_t i = 0; i < manifest_.shards.size(); ++i)
      shards_.push_back(open_shard(directory_, manifest_, i));
  }

  [[nodiscard]] std::uint64_t size() const override { return manifest_.images; }
  [[nodiscard]] std::int64_t height() const override { return manifest_.height; }
  [[nodiscard]] std::int64_t width() const override { return manifest_.width; }
  [[nodiscard]] std::int64_t channels() const override { return manifest_.channels; }
  [[nodiscard]] std::string fingerprint() const override { return manifest_.fingerprint; }
  [[nodiscard]] const std::filesystem::path& directory() const override { return directory_; }
  [[nodiscard]] const std::vector<std::string>& class_names() const override {
    return manifest_.class_names;
  }

  void read(std::uint64_t index, std::span<std::uint8_t> pixels, bool verify) const override {
    VALLEY_CHECK(pixels.size() == image_bytes());
    const auto [shard, row] = locate(index);
    shard->file.read_at(shard->data_offset + row * image_bytes(), std::as_writable_bytes(pixels));
    if (verify && crc32c(std::as_bytes(pixels)) != shard->rows.crc32c[row])
      throw Error(ExitCode::kData,
                  "{} row {} (image {} of the data set, \"{}\"): its pixels do not match their "
                  "CRC32C; run valley shard verify {}, then restore or rebuild the shard",
                  shard->file.path().string(), row, index, shard->rows.names[row],
                  directory_.string());
  }

  [[nodiscard]] std::int64_t label(std::uint64_t index) const override {
    const auto [shard, row] = locate(index);
    return shard->rows.labels[row];
  }

  [[nodiscard]] std::string name(std::uint64_t index) const override {
    const auto [shard, row] = locate(index);
    return std::string(shard->rows.names[row]);
  }

  [[nodiscard]] std::array<std::uint32_t, 2> orig_size(std::uint64_t index) const override {
    const auto [shard, row] = locate(index);
    return shard->rows.orig_size[row];
  }

  void prefetch(std::span<const std::uint64_t> indices) const override {
    for (const std::uint64_t index : indices) {
      const auto [shard, row] = locate(index);
      shard->file.will_need(shard->data_offset + row * image_bytes(), image_bytes());
    }
  }

 private:
  [[nodiscard]] std::pair<const OpenShard*, std::uint64_t> locate(std::uint64_t index) const {
    VALLEY_CHECK(index < manifest_.images);
    return {&shards_[index / manifest_.shard_images], index % manifest_.shard_images};
  }

  std::filesystem::path directory_;
  Manifest manifest_;
  std::vector<OpenShard> shards_;
};

}  // namespace

std::unique_ptr<Dataset> Dataset::open(const std::filesystem::path& directory) {
  Manifest manifest = read_manifest(directory);
  if (!manifest.complete)
    throw Error(ExitCode::kData,
                "{} is unfinished ({} images in {} shards so far): run its valley shard build "
                "again with --resume",
                directory.string(), manifest.images, manifest.shards.size());
  return std::make_unique<ShardedDataset>(directory, std::move(manifest));
}

}  // namespace valley
