#include "data/verify.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/file_type.h"
#include "core/hash.h"
#include "data/fingerprint.h"
#include "data/finish.h"
#include "data/manifest.h"
#include "data/pixel_sums.h"
#include "data/record_decoder.h"
#include "data/shard_check.h"

namespace valley {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using Progress = std::function<void(std::uint64_t, std::uint64_t)>;

class Verifier {
 public:
  Verifier(const fs::path& directory, bool deep, const Progress& progress)
      : directory_(directory), deep_(deep), progress_(progress) {}

  VerifyReport run();

 private:
  void note(std::string_view file, std::string what, std::optional<std::uint64_t> row = {}) {
    report_.problems.push_back({std::string(file), row, std::move(what)});
  }
  // Runs a check whose Errors are problems of `file`, except failures of storage, which are
  // rethrown.
  template <typename Check>
  bool attempt(std::string_view file, Check check) {
    try {
      check();
      return true;
    } catch (const Error& error) {
      if (error.code() == ExitCode::kIo) throw;
      note(file, std::string("metadata: ") + error.what());
      return false;
    }
  }
  void check_small_files();
  void check_shard(std::uint64_t index);
  void check_pixels(std::uint64_t index, const OpenShard& shard);
  // Format and pixels of an encoded record, which are added to `sums`.
  void check_encoded(const std::string& file, const ShardRows& rows, std::uint64_t row,
                     Bytes record, PixelSums& sums);
  [[nodiscard]] bool is_encoded() const { return manifest_.form.storage.is_encoded(); }
  void check_whole(std::uint64_t index, const OpenShard& shard);
  void check_totals();

  fs::path directory_;
  bool deep_;
  const Progress& progress_;
  Manifest manifest_;
  std::optional<RecordDecoder> decoder_;
  Manifest found_;  // recomputed totals
  Fingerprint fingerprint_;
  std::vector<double> vector_sums_;
  bool all_shards_readable_ = true;
  std::uint64_t rows_seen_ = 0;
  VerifyReport report_;
};

void Verifier::check_small_files() {
  attempt(kSumsFile, [this] {
    std::map<std::string, std::string> sums = read_sums(directory_);
    for (const std::string_view name : {kIndexFile, kManifestFile, kRejectsFile}) {
      attempt(name, [&] {
        const std::string hash = sha256_of_file(directory_ / name);
        if (hash != sums[std::string(name)])
          note(name, fmt::format("metadata: its SHA-256 differs from {}", kSumsFile));
      });
    }
    for (const ShardEntry& entry : manifest_.shards) {
      if (sums[entry.file] != entry.sha256)
        note(kSumsFile,
             fmt::format("metadata: {} has another SHA-256 in {}", entry.file, kManifestFile));
    }
  });
}

void Verifier::check_pixels(std::uint64_t index, const OpenShard& shard) {
  ShardEntry& found = found_.shards[index];
  PixelSums sums;
  std::vector<std::byte> record;
  for (std::uint64_t row = 0; row < shard.rows.size(); ++row) {
    const auto [offset, bytes] = shard.record(row);
    record.resize(bytes);
    shard.file.read_at(offset, record);
    report_.bytes += bytes;
    if (crc32c(record) == shard.rows.crc32c[row]) {
      ++report_.images;
    } else {
      note(found.file,
           fmt::format("the {} of \"{}\" {} CRC32C", is_encoded() ? "record" : "pixels",
                       shard.rows.names[row],
                       is_encoded() ? "does not match its" : "do not match their"),
           row);
    }
    if (progress_) progress_(++rows_seen_, manifest_.images);
    if (deep_ && is_encoded()) {
      check_encoded(found.file, shard.rows, row, record, sums);
    } else if (deep_) {
      sums.add(record, manifest_.channels);
    }
  }
  set_sums(found, sums, manifest_.channels);
}

void Verifier::check_encoded(const std::string& file, const ShardRows& rows, std::uint64_t row,
                             Bytes record, PixelSums& sums) {
  const std::string_view text(reinterpret_cast<const char*>(record.data()), record.size());
  if (codec_of(text) != rows.codecs[row])
    note(file, fmt::format("the format of \"{}\" differs from /encoded/codec", rows.names[row]),
         row);
  std::vector<std::uint8_t> pixels(manifest_.image_bytes());
  if (const std::optional<Reject> reject = decoder_->decode(text, pixels)) {
    note(file,
         fmt::format("the record of \"{}\" cannot be decoded: {} ({})", rows.names[row],
                     reject->reason, reject->detail),
         row);
    return;
  }
  sums.add(std::as_bytes(std::span(pixels)), manifest_.channels);
}

void Verifier::check_whole(std::uint64_t index, const OpenShard& shard) {
  const ShardEntry& entry = manifest_.shards[index];
  const ShardEntry& found = found_.shards[index];
  if (hash_whole_and_outside(shard.file, shard.data_offset, 0).whole != entry.sha256)
    note(entry.file, "the SHA-256 of the file differs from the manifest");
  if (found.sum != entry.sum || found.sum_squares != entry.sum_squares)
    note(kManifestFile,
         fmt::format("metadata: the sums of {} differ from those of its pixels", entry.file));
  fingerprint_.add(shard.rows);
  add_label_vectors(vector_sums_, shard.rows);
  for (const std::int64_t label : shard.rows.labels) ++found_.class_histogram[label];
}

void Verifier::check_shard(std::uint64_t index) {
  const std::string& file = manifest_.shards[index].file;
  ++report_.shards;
  const bool is_readable = attempt(file, [&] {
    const OpenShard shard = open_shard(directory_, manifest_, index);
    check_pixels(index, shard);
    if (deep_) check_whole(index, shard);
  });
  all_shards_readable_ = all_shards_readable_ && is_readable;
}

void Verifier::check_totals() {
  set_statistics(found_);
  const std::string fingerprint = fingerprint_.hex();
  if (fingerprint != manifest_.fingerprint)
    note(kManifestFile, "metadata: the fingerprint differs from that of the shards");
  if (found_.class_histogram != manifest_.class_histogram)
    note(kManifestFile, "metadata: class_histogram differs from that of the labels");
  if (means_of(vector_sums_, manifest_.images) != manifest_.label_vector_means)
    note(kManifestFile, "metadata: label_vector_means differ from those of /label_vectors");
  const auto is_near = [](double a, double b) { return std::abs(a - b) < 1e-9; };
  if (!std::equal(found_.mean.begin(), found_.mean.end(), manifest_.mean.begin(), is_near) ||
      !std::equal(found_.deviation.begin(), found_.deviation.end(), manifest_.deviation.begin(),
                  is_near))
    note(kManifestFile, "metadata: mean and deviation differ from those of the pixels");
}

VerifyReport Verifier::run() {
  const Clock::time_point began = Clock::now();
  const bool has_manifest = attempt(kManifestFile, [this] {
    manifest_ = read_manifest(directory_);
    if (!manifest_.complete)
      note(kManifestFile, "metadata: the build is unfinished; continue it with --resume");
  });
  check_small_files();
  if (has_manifest) {
    decoder_.emplace(manifest_.form);
    found_ = manifest_;
    found_.class_histogram.clear();
    vector_sums_.resize(manifest_.label_vector_names.size());
    for (std::uint64_t i = 0; i < manifest_.shards.size(); ++i) check_shard(i);
    if (deep_ && manifest_.complete && all_shards_readable_) check_totals();
  }
  report_.seconds = std::chrono::duration<double>(Clock::now() - began).count();
  return std::move(report_);
}

}  // namespace

VerifyReport verify_dataset(const fs::path& directory, bool deep, const Progress& progress) {
  if (!is_there(directory / kManifestFile)) static_cast<void>(read_manifest(directory));
  return Verifier(directory, deep, progress).run();
}

}  // namespace valley
