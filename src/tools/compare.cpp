#include "tools/compare.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "core/json_text.h"
#include "data/manifest.h"
#include "data/shard_check.h"

namespace valley {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct ListedImage {
  ComparedImage image;
  std::uint32_t crc32c = 0;
};

// Rows of all shards of a data set.
struct ListedDataset {
  Manifest manifest;
  std::vector<ListedImage> images;
};

ListedDataset list_dataset(const fs::path& directory) {
  ListedDataset listed{read_manifest(directory), {}};
  if (!listed.manifest.complete)
    throw Error(ExitCode::kData, "{} is unfinished: continue its build with --resume",
                directory.string());
  listed.images.reserve(listed.manifest.images);
  for (std::uint64_t s = 0; s < listed.manifest.shards.size(); ++s) {
    const OpenShard shard = open_shard(directory, listed.manifest, s);
    for (std::uint64_t row = 0; row < shard.rows.size(); ++row)
      listed.images.push_back(
          {{std::string(shard.rows.names[row]), listed.images.size(), shard.rows.labels[row]},
           shard.rows.crc32c[row]});
  }
  return listed;
}

json settings_of(const Manifest& manifest) {
  json settings = parse_json(manifest.parameters_json, "the parameters");
  settings["images"] = manifest.images;
  settings["writer_version"] = manifest.writer_version;
  settings["class_names"] = manifest.class_names;
  return settings;
}

std::vector<SettingDifference> compare_settings(const Manifest& a, const Manifest& b) {
  const json in_a = settings_of(a);
  const json in_b = settings_of(b);
  std::vector<SettingDifference> differences;
  const auto compare = [&](const std::string& key) {
    const json value_a = in_a.value(key, json());
    const json value_b = in_b.value(key, json());
    if (value_a != value_b) differences.push_back({key, write_json(value_a), write_json(value_b)});
  };
  for (const auto& [key, value] : in_a.items()) compare(key);
  for (const auto& [key, value] : in_b.items())
    if (!in_a.contains(key)) compare(key);
  return differences;
}

// Takes pairs of equal checksums out of both lists.
std::vector<ImagePair> take_renamed(std::vector<ListedImage>& only_a,
                                    std::vector<ListedImage>& only_b) {
  std::unordered_map<std::uint32_t, std::vector<std::size_t>> by_checksum;
  for (std::size_t i = only_b.size(); i-- > 0;) by_checksum[only_b[i].crc32c].push_back(i);
  std::vector<ImagePair> renamed;
  std::vector<bool> is_taken(only_b.size());
  std::erase_if(only_a, [&](const ListedImage& a) {
    const auto found = by_checksum.find(a.crc32c);
    if (found == by_checksum.end() || found->second.empty()) return false;
    const std::size_t i = found->second.back();
    found->second.pop_back();
    is_taken[i] = true;
    renamed.push_back({a.image, only_b[i].image});
    return true;
  });
  std::vector<ListedImage> left;
  for (std::size_t i = 0; i < only_b.size(); ++i)
    if (!is_taken[i]) left.push_back(std::move(only_b[i]));
  only_b = std::move(left);
  return renamed;
}

// Pairs outside of a longest subsequence in which the indices in b grow; `pairs` are in a's order.
std::vector<ImagePair> find_moved(const std::vector<ImagePair>& pairs) {
  std::vector<std::size_t> tails;  // last pair of the best subsequence of each length
  std::vector<std::optional<std::size_t>> before(pairs.size());
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto place = std::ranges::lower_bound(tails, pairs[i].b.index, {},
                                                [&](std::size_t t) { return pairs[t].b.index; });
    if (place != tails.begin()) before[i] = *std::prev(place);
    if (place == tails.end()) {
      tails.push_back(i);
    } else {
      *place = i;
    }
  }
  std::vector<bool> stays(pairs.size());
  std::optional<std::size_t> last;
  if (!tails.empty()) last = tails.back();
  for (; last; last = before[*last]) stays[*last] = true;
  std::vector<ImagePair> moved;
  for (std::size_t i = 0; i < pairs.size(); ++i)
    if (!stays[i]) moved.push_back(pairs[i]);
  return moved;
}

std::vector<ComparedImage> without_checksums(const std::vector<ListedImage>& listed) {
  std::vector<ComparedImage> images;
  images.reserve(listed.size());
  for (const ListedImage& one : listed) images.push_back(one.image);
  return images;
}

void compare_images(const std::vector<ListedImage>& a, const std::vector<ListedImage>& b,
                    Comparison& comparison) {
  std::unordered_map<std::string_view, std::size_t> names;
  for (std::size_t i = 0; i < b.size(); ++i) names.emplace(b[i].image.name, i);
  std::vector<bool> is_in_a(b.size());
  std::vector<ListedImage> only_a;
  std::vector<ImagePair> common;
  for (const ListedImage& one : a) {
    const auto found = names.find(one.image.name);
    if (found == names.end()) {
      only_a.push_back(one);
      continue;
    }
    const ListedImage& other = b[found->second];
    is_in_a[found->second] = true;
    common.push_back({one.image, other.image});
    if (one.crc32c != other.crc32c) comparison.other_pixels.push_back(common.back());
    if (one.image.label != other.image.label) comparison.other_label.push_back(common.back());
  }
  std::vector<ListedImage> only_b;
  for (std::size_t i = 0; i < b.size(); ++i)
    if (!is_in_a[i]) only_b.push_back(b[i]);
  comparison.moved = find_moved(common);
  comparison.renamed = take_renamed(only_a, only_b);
  comparison.only_a = without_checksums(only_a);
  comparison.only_b = without_checksums(only_b);
}

}  // namespace

Comparison compare_datasets(const fs::path& a, const fs::path& b) {
  const ListedDataset in_a = list_dataset(a);
  const ListedDataset in_b = list_dataset(b);
  const Manifest& ma = in_a.manifest;
  const Manifest& mb = in_b.manifest;
  Comparison comparison;
  comparison.same_shape =
      ma.height == mb.height && ma.width == mb.width && ma.channels == mb.channels;
  comparison.same_class_names = ma.class_names == mb.class_names;
  comparison.same_fingerprint = ma.fingerprint == mb.fingerprint;
  comparison.images_a = ma.images;
  comparison.images_b = mb.images;
  comparison.settings = compare_settings(ma, mb);
  compare_images(in_a.images, in_b.images, comparison);
  return comparison;
}

}  // namespace valley
