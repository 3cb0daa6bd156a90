// manifest.json: the totals of a data-set directory and, while it is being built, the journal for
// resuming (docs/shard-format.md lists every field).
//
// A manifest is not trusted: reading checks every type and every relation between fields; Error
// (kData) naming file and field.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "data/pixel_sums.h"
#include "data/storage.h"

namespace valley {

inline constexpr std::string_view kManifestFile = "manifest.json";
inline constexpr std::string_view kIndexFile = "index.h5";
inline constexpr std::string_view kRejectsFile = "rejects.jsonl";
inline constexpr std::string_view kSumsFile = "SHA256SUMS";

struct ShardEntry {
  std::string file;  // name within the directory
  std::uint64_t bytes = 0;
  std::string sha256;       // hash of the file
  std::string meta_sha256;  // hash of all bytes outside the records
  std::uint64_t images = 0;
  std::uint64_t global_offset = 0;         // index of its first image in the data set
  std::uint64_t data_offset = 0;           // offset of the records in the file
  std::vector<std::uint64_t> sum;          // sums of the stored values per channel
  std::vector<std::uint64_t> sum_squares;  // sums of their squares
  std::uint64_t data_bytes = 0;            // size of all records
};

struct Manifest {
  bool complete = false;  // false: being built, or its writer was killed
  std::string dataset_uuid;
  std::string writer_version;
  std::string fingerprint;  // SHA-256 over the ordered (name, label, crc32c)
  std::uint64_t images = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;
  RecordForm form;                 // storage; of an encoded data set that was read, also the others
  std::uint64_t shard_images = 0;  // images per shard except the last
  std::vector<double> mean;        // per channel, of stored values in 0..255
  std::vector<double> deviation;
  std::vector<std::string> class_names;
  std::map<std::int64_t, std::uint64_t> class_histogram;  // label -> images
  std::vector<std::string> label_vector_names{};          // may be empty
  std::vector<double> label_vector_means{};               // of a complete data set
  std::uint64_t candidates = 0;                           // images in the source
  std::uint64_t next_candidate = 0;  // in build order: those before it are stored or rejected
  std::map<std::string, std::uint64_t> rejects;  // reason -> images
  std::string parameters_json;                   // JSON object of build_parameters.h
  std::vector<ShardEntry> shards;                // committed shards

  [[nodiscard]] std::uint64_t image_bytes() const {
    return static_cast<std::uint64_t>(height * width * channels);
  }
  [[nodiscard]] std::uint64_t reject_count() const;
  [[nodiscard]] std::uint64_t bytes() const;  // total size of the shards
};

[[nodiscard]] std::string to_json(const Manifest& manifest);
// `name` is for messages.
[[nodiscard]] Manifest parse_manifest(const std::string& text, const std::string& name);

// True for a directory with a data set of valley shard build, complete or not. False if its
// manifest.json belongs to another program, such as a web page.
[[nodiscard]] bool holds_dataset(const std::filesystem::path& directory);

// Reads `directory`/manifest.json. Error kMissingInput, with advice, if there is none.
[[nodiscard]] Manifest read_manifest(const std::filesystem::path& directory);

// Stores the sums of the first `channels` channels.
void set_sums(ShardEntry& entry, const PixelSums& sums, std::int64_t channels);

// Fills `mean` and `deviation` from the shards' sums.
void set_statistics(Manifest& manifest);

}  // namespace valley
