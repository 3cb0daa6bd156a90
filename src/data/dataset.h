// Reads a data-set directory: checks the manifest, opens shards once through HDF5 and then reads
// with pread only.
//
// Opening verifies for every shard: file size, `meta_sha256` (all bytes outside the pixel data)
// *before* HDF5 sees the file, then format, version, layout, `complete`, counts and the data offset
// against the manifest. Error (kData) naming the shard for any mismatch; kMissingInput for a
// missing directory or shard. `read` may be called from several threads.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace valley {

class Dataset {
 public:
  static std::unique_ptr<Dataset> open(const std::filesystem::path& directory);
  virtual ~Dataset() = default;

  [[nodiscard]] virtual std::uint64_t size() const = 0;   // images
  [[nodiscard]] virtual std::int64_t height() const = 0;  // pixels
  [[nodiscard]] virtual std::int64_t width() const = 0;
  [[nodiscard]] virtual std::int64_t channels() const = 0;  // 1 or 3
  [[nodiscard]] virtual std::string fingerprint()
      const = 0;  // hash of content and order, independent of the sharding
  [[nodiscard]] virtual const std::filesystem::path& directory() const = 0;
  [[nodiscard]] virtual const std::vector<std::string>& class_names() const = 0;
  [[nodiscard]] std::uint64_t image_bytes() const {
    return static_cast<std::uint64_t>(height() * width() * channels());
  }

  // Reads image `index` (in data-set order) into `pixels` [H, W, C], image_bytes() long. With
  // `verify`, compares its CRC32C: Error kData naming shard and row. Retries EIO and ESTALE, then
  // Error kIo.
  virtual void read(std::uint64_t index, std::span<std::uint8_t> pixels, bool verify) const = 0;
  [[nodiscard]] virtual std::int64_t label(std::uint64_t index) const = 0;  // -1: none
  [[nodiscard]] virtual std::string name(std::uint64_t index) const = 0;
  // Height and width of the source image in pixels.
  [[nodiscard]] virtual std::array<std::uint32_t, 2> orig_size(std::uint64_t /*index*/) const {
    return {static_cast<std::uint32_t>(height()), static_cast<std::uint32_t>(width())};
  }
  // Advises the kernel that these images will be read soon.
  virtual void prefetch(std::span<const std::uint64_t> indices) const = 0;
};

}  // namespace valley
