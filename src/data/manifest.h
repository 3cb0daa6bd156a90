// manifest.json: the totals of a data-set directory and, while it is being built, the journal that
// a resume goes on from (docs/shard-format.md lists every field).
//
// A manifest is not trusted: reading checks every type and every relation between the fields, and
// what is wrong is an Error (kData) naming file and field.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "data/pixel_sums.h"

namespace valley {

inline constexpr std::string_view kManifestFile = "manifest.json";
inline constexpr std::string_view kIndexFile = "index.h5";
inline constexpr std::string_view kRejectsFile = "rejects.jsonl";
inline constexpr std::string_view kSumsFile = "SHA256SUMS";

struct ShardEntry {
  std::string file;  // a name inside the directory
  std::uint64_t bytes = 0;
  std::string sha256;       // of the file
  std::string meta_sha256;  // of all its bytes outside the pixels
  std::uint64_t images = 0;
  std::uint64_t global_offset = 0;         // of its first image in the data set
  std::uint64_t data_offset = 0;           // of the pixels in the file
  std::vector<std::uint64_t> sum;          // of the stored values, a channel
  std::vector<std::uint64_t> sum_squares;  // likewise
};

struct Manifest {
  bool complete = false;  // false: being built, or its writer died
  std::string dataset_uuid;
  std::string writer_version;
  std::string fingerprint;  // SHA-256 over the ordered (name, label, crc32c)
  std::uint64_t images = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;
  std::uint64_t shard_images = 0;  // of every shard but the last
  std::vector<double> mean;        // a channel, of stored values in 0..255
  std::vector<double> deviation;
  std::vector<std::string> class_names;
  std::map<std::int64_t, std::uint64_t> class_histogram;  // label -> images
  std::uint64_t candidates = 0;                           // images of the source
  std::uint64_t next_candidate = 0;  // in build order: those before it are stored or rejected
  std::map<std::string, std::uint64_t> rejects;  // reason -> images
  std::string parameters_json;                   // an object: what the bytes depend on
  std::vector<ShardEntry> shards;                // the committed ones

  [[nodiscard]] std::uint64_t image_bytes() const {
    return static_cast<std::uint64_t>(height * width * channels);
  }
  [[nodiscard]] std::uint64_t reject_count() const;
  [[nodiscard]] std::uint64_t bytes() const;  // of the shards' files
};

[[nodiscard]] std::string to_json(const Manifest& manifest);
// `name` is for messages.
[[nodiscard]] Manifest parse_manifest(const std::string& text, const std::string& name);

// True for a directory with a data set of valley shard build, whole or not. A manifest.json of
// another program, such as a web page's, does not make one.
[[nodiscard]] bool holds_dataset(const std::filesystem::path& directory);

// Reads `directory`/manifest.json. kMissingInput, with the way out, when there is none.
[[nodiscard]] Manifest read_manifest(const std::filesystem::path& directory);

// Stores the sums of the first `channels` channels.
void set_sums(ShardEntry& entry, const PixelSums& sums, std::int64_t channels);

// Fills `mean` and `deviation` from the shards' sums.
void set_statistics(Manifest& manifest);

}  // namespace valley
