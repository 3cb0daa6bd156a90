// One shard: an HDF5 file of images, raw or encoded, and their labels, names and checksums
// (docs/shard-format.md).
//
// A shard is written in three steps: `create_shard_file` creates the layout, records are written
// with pwrite at the returned offset, `complete_shard_file` adds the rows and finally `complete =
// 1`. Only one thread at a time may call HDF5.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/storage.h"

namespace valley {

inline constexpr std::string_view kShardFormat = "valley-shard";
inline constexpr std::int64_t kShardFormatVersion = 1;
inline constexpr std::string_view kLayout = "HWC";
inline constexpr std::uint64_t kShardGranularity =
    32;  // images; a multiple in all shards except the last

[[nodiscard]] std::string shard_file_name(std::uint64_t index);  // "shard-00007.h5"
// File of a chunk (chunk_file.h): ".shard-00007.h5.done.tmp".
[[nodiscard]] std::string chunk_file_name(std::uint64_t index);

// Root attributes.
struct ShardHeader {
  std::string dataset_uuid;
  std::uint64_t shard_index = 0;
  std::uint64_t global_offset = 0;  // index of its first image in the data set
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;
  Storage storage{};
  std::string transform;
  std::string filter;
  std::vector<std::string> class_names;
  std::vector<std::string> label_vector_names{};  // one per value of a label vector; may be empty
  std::int64_t shuffle_seed = -1;                 // -1: not shuffled
  std::string writer_version;
  std::string params_json;

  [[nodiscard]] std::uint64_t image_bytes() const {
    return static_cast<std::uint64_t>(height * width * channels);
  }
  friend bool operator==(const ShardHeader&, const ShardHeader&) = default;
};

// Strings of fixed width, NUL-padded, as in HDF5.
class FixedStrings {
 public:
  explicit FixedStrings(std::size_t width) : width_(width) {}
  FixedStrings(std::size_t width, std::string bytes) : width_(width), bytes_(std::move(bytes)) {}
  void push_back(std::string_view text);  // at most width() bytes, without NUL
  [[nodiscard]] std::string_view operator[](std::uint64_t i) const;
  [[nodiscard]] std::uint64_t size() const { return bytes_.size() / width_; }
  [[nodiscard]] std::size_t width() const { return width_; }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  std::size_t width_;
  std::string bytes_;
};

// Data of each image besides its record.
struct ShardRows {
  FixedStrings names{1};
  std::vector<std::int64_t> labels;  // -1: none
  std::vector<std::uint32_t> crc32c;
  std::vector<std::array<std::uint32_t, 2>> orig_size;  // height, width of the source
  std::vector<float> label_vectors;                     // [n, d]
  // Encoded records only: n offsets and the end, relative to the first record; formats (codec_of).
  std::vector<std::uint64_t> offsets;
  std::vector<std::uint8_t> codecs;
  [[nodiscard]] std::uint64_t size() const { return labels.size(); }
};

// Replaces `path` by a shard of `n` images without rows. `encoded_bytes`: size of all encoded
// records; unused for raw images. Returns the offset of the records in the file. Errors:
// kCannotWrite.
std::uint64_t create_shard_file(const std::filesystem::path& path, const ShardHeader& header,
                                std::uint64_t n, std::size_t name_width,
                                std::uint64_t encoded_bytes);
void complete_shard_file(const std::filesystem::path& path, const ShardRows& rows);

struct ShardContents {
  ShardHeader header;
  std::uint64_t data_offset = 0;  // of the records in the file
  std::uint64_t data_bytes = 0;   // of all records
  ShardRows rows;
};

// Reads everything but the records of a complete shard of `n` images. Call it only on files whose
// metadata hash matches. Errors: kData naming file and object for any violation of the format.
[[nodiscard]] ShardContents read_shard_file(const std::filesystem::path& path, std::uint64_t n);

}  // namespace valley
