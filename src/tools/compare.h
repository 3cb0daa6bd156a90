// Differences between two data sets, found from names, labels and checksums: no pixels are read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace valley {

// A setting that differs, with both values as JSON; "null" where a data set does not have it.
struct SettingDifference {
  std::string setting;
  std::string in_a;
  std::string in_b;
};

// An image of one of the data sets. `label` -1: none.
struct ComparedImage {
  std::string name;
  std::uint64_t index = 0;
  std::int64_t label = -1;
};

// An image of both data sets.
struct ImagePair {
  ComparedImage a;
  ComparedImage b;
};

struct Comparison {
  bool same_shape = false;
  bool same_class_names = false;
  bool same_fingerprint = false;  // equal names, labels, checksums and order
  std::uint64_t images_a = 0;
  std::uint64_t images_b = 0;
  std::vector<SettingDifference> settings;
  std::vector<ComparedImage> only_a;  // in the order of each data set, without renamed ones
  std::vector<ComparedImage> only_b;
  std::vector<ImagePair> renamed;  // equal checksum, different names
  std::vector<ImagePair> other_pixels;
  std::vector<ImagePair> other_label;
  // The smallest set of images that leaves the others in the same order.
  std::vector<ImagePair> moved;

  [[nodiscard]] bool same_content() const {
    return same_shape && same_class_names && same_fingerprint;
  }
};

// Errors of reading the manifests and shards; kData for an unfinished data set.
[[nodiscard]] Comparison compare_datasets(const std::filesystem::path& a,
                                          const std::filesystem::path& b);

}  // namespace valley
