#include "data/finish.h"

#include <sstream>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/hash.h"
#include "core/read_file.h"
#include "data/fingerprint.h"
#include "data/index_file.h"
#include "data/shard_check.h"

namespace valley {
namespace {

constexpr std::size_t kDigits = 64;

void write_sums(const std::filesystem::path& directory, const Manifest& manifest) {
  std::string text;
  for (const ShardEntry& entry : manifest.shards)
    text += fmt::format("{}  {}\n", entry.sha256, entry.file);
  for (const std::string_view name : {kIndexFile, kManifestFile, kRejectsFile})
    text += fmt::format("{}  {}\n", sha256_of_file(directory / name), name);
  write_file(directory / kSumsFile, text);
}

}  // namespace

void add_label_vectors(std::vector<double>& sums, const ShardRows& rows) {
  for (std::size_t i = 0; i < rows.label_vectors.size(); ++i)
    sums[i % sums.size()] += static_cast<double>(rows.label_vectors[i]);
}

std::vector<double> means_of(std::vector<double> sums, std::uint64_t images) {
  for (double& sum : sums) sum /= static_cast<double>(images);
  return sums;
}

void finish_dataset(const std::filesystem::path& directory, Manifest& manifest) {
  VALLEY_CHECK(!manifest.shards.empty());
  Fingerprint fingerprint;
  manifest.class_histogram.clear();
  std::size_t name_width = 1;
  std::vector<double> vector_sums(manifest.label_vector_names.size());
  for (std::uint64_t i = 0; i < manifest.shards.size(); ++i) {
    const OpenShard shard = open_shard(directory, manifest, i);
    fingerprint.add(shard.rows);
    for (const std::int64_t label : shard.rows.labels) ++manifest.class_histogram[label];
    add_label_vectors(vector_sums, shard.rows);
    name_width = shard.rows.names.width();
  }
  manifest.label_vector_means = means_of(vector_sums, manifest.images);
  manifest.fingerprint = fingerprint.hex();
  set_statistics(manifest);
  write_index_file(directory, manifest, name_width);
  manifest.complete = true;
  write_file(directory / kManifestFile, to_json(manifest));
  write_sums(directory, manifest);
}

std::map<std::string, std::string> read_sums(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / kSumsFile;
  std::istringstream text(read_file(path));
  std::map<std::string, std::string> sums;
  std::string line;
  for (int number = 1; std::getline(text, line); ++number) {
    if (line.size() < kDigits + 3 || line.compare(kDigits, 2, "  ") != 0)
      throw Error(ExitCode::kData, "{}:{} is not a line of sha256sum", path.string(), number);
    sums[line.substr(kDigits + 2)] = line.substr(0, kDigits);
  }
  return sums;
}

}  // namespace valley
