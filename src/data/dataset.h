// Reads a data-set directory: checks the manifest, opens shards once through HDF5 and then reads
// with pread only; encoded images are decoded by the thread that reads.
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

#include "data/order.h"

namespace valley {

struct RecordForm;  // data/storage.h

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
  // Stored form of the images, raw unless overridden.
  [[nodiscard]] virtual const RecordForm& form() const;
  [[nodiscard]] bool is_encoded() const;
  [[nodiscard]] std::uint64_t image_bytes() const {
    return static_cast<std::uint64_t>(height() * width() * channels());
  }

  // Reads image `index` (in data-set order) into `pixels` [H, W, C], image_bytes() long. With
  // `verify`, compares the CRC32C of its record. Error kData naming shard and row if it differs, or
  // if an encoded record cannot be decoded. Retries EIO and ESTALE, then Error kIo.
  virtual void read(std::uint64_t index, std::span<std::uint8_t> pixels, bool verify) const = 0;
  // Reads the stored record of an image, verified: an encoded file, or pixels.
  virtual void read_record(std::uint64_t index, std::string& record) const;
  [[nodiscard]] virtual std::int64_t label(std::uint64_t index) const = 0;  // -1: none
  [[nodiscard]] virtual std::string name(std::uint64_t index) const = 0;
  // Height and width of the source image in pixels.
  [[nodiscard]] virtual std::array<std::uint32_t, 2> orig_size(std::uint64_t /*index*/) const {
    return {static_cast<std::uint32_t>(height()), static_cast<std::uint32_t>(width())};
  }
  // Names of the values of label_vector; empty if the data set has none.
  [[nodiscard]] virtual const std::vector<std::string>& label_vector_names() const;
  [[nodiscard]] virtual std::span<const float> label_vector(std::uint64_t /*index*/) const {
    return {};
  }
  // The parts of a mixture in the order of their images; a single one for other data sets.
  [[nodiscard]] virtual std::vector<OrderPart> order_parts() const { return {{size(), 1}}; }
  // Advises the kernel that these images will be read soon; the number of those that are not in
  // memory yet.
  virtual std::uint64_t prefetch(std::span<const std::uint64_t> indices) const = 0;
};

}  // namespace valley
