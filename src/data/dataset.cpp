#include "data/dataset.h"

#include <sys/resource.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "core/error.h"
#include "core/hash.h"
#include "data/manifest.h"
#include "data/positioned_file.h"
#include "data/record_decoder.h"
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
      : directory_(std::move(directory)), manifest_(std::move(manifest)), decoder_(manifest_.form) {
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
  [[nodiscard]] const RecordForm& form() const override { return manifest_.form; }
  [[nodiscard]] const std::vector<std::string>& label_vector_names() const override {
    return manifest_.label_vector_names;
  }
  [[nodiscard]] std::span<const float> label_vector(std::uint64_t index) const override {
    const auto [shard, row] = locate(index);
    const std::size_t values = manifest_.label_vector_names.size();
    return std::span(shard->rows.label_vectors).subspan(row * values, values);
  }

  void read(std::uint64_t index, std::span<std::uint8_t> pixels, bool verify) const override {
    VALLEY_CHECK(pixels.size() == image_bytes());
    if (is_encoded()) {
      decode(index, pixels, verify);
    } else {
      load(index, std::as_writable_bytes(pixels), verify);
    }
  }

  void read_record(std::uint64_t index, std::string& record) const override {
    const auto [shard, row] = locate(index);
    record.resize(shard->record(row).bytes);
    load(index, std::as_writable_bytes(std::span(record)), true);
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

  std::uint64_t prefetch(std::span<const std::uint64_t> indices) const override {
    std::uint64_t missing = 0;
    for (const std::uint64_t index : indices) {
      const auto [shard, row] = locate(index);
      const auto [offset, bytes] = shard->record(row);
      if (shard->file.will_need(offset, bytes)) ++missing;
    }
    return missing;
  }

 private:
  [[nodiscard]] std::pair<const OpenShard*, std::uint64_t> locate(std::uint64_t index) const {
    VALLEY_CHECK(index < manifest_.images);
    return {&shards_[index / manifest_.shard_images], index % manifest_.shard_images};
  }

  // Reads the record of an image, as long as `record`.
  void load(std::uint64_t index, std::span<std::byte> record, bool verify) const {
    const auto [shard, row] = locate(index);
    shard->file.read_at(shard->record(row).offset, record);
    if (verify && crc32c(record) != shard->rows.crc32c[row])
      fail(index, is_encoded() ? "its record does not match its CRC32C"
                               : "its pixels do not match their CRC32C");
  }

  void decode(std::uint64_t index, std::span<std::uint8_t> pixels, bool verify) const {
    static thread_local std::string buffer;
    const auto [shard, row] = locate(index);
    buffer.resize(shard->record(row).bytes);
    load(index, std::as_writable_bytes(std::span(buffer)), verify);
    if (const std::optional<Reject> reject = decoder_.decode(buffer, pixels))
      fail(index,
           fmt::format("its record cannot be decoded: {} ({})", reject->reason, reject->detail));
    if (buffer.capacity() > kKeptBytes) buffer = {};
  }

  [[noreturn]] void fail(std::uint64_t index, const std::string& what) const {
    const auto [shard, row] = locate(index);
    throw Error(ExitCode::kData,
                "{} row {} (image {} of the data set, \"{}\"): {}; run valley shard verify {}, "
                "then restore or rebuild the shard",
                shard->file.path().string(), row, index, shard->rows.names[row], what,
                directory_.string());
  }

  static constexpr std::size_t kKeptBytes = std::size_t{4} << 20U;

  std::filesystem::path directory_;
  Manifest manifest_;
  RecordDecoder decoder_;
  std::vector<OpenShard> shards_;
};

}  // namespace

const RecordForm& Dataset::form() const {
  static const RecordForm raw;
  return raw;
}

const std::vector<std::string>& Dataset::label_vector_names() const {
  static const std::vector<std::string> none;
  return none;
}

bool Dataset::is_encoded() const { return form().storage.is_encoded(); }

void Dataset::read_record(std::uint64_t index, std::string& record) const {
  std::vector<std::uint8_t> pixels(image_bytes());
  read(index, pixels, true);
  record.assign(pixels.begin(), pixels.end());
}

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
