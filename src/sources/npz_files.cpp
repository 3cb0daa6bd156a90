#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/error.h"
#include "sources/npy_array.h"
#include "sources/numpy_files.h"
#include "sources/zip_file.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

// The arrays of an .npz file by name.
class Npz {
 public:
  explicit Npz(const fs::path& file) : file_(file), zip_(file) {
    for (std::uint64_t i = 0; i < zip_.size(); ++i) {
      const ZipMember member = zip_.member(i);
      if (!member.path.ends_with(".npy")) continue;
      members_[member.path.substr(0, member.path.size() - 4)] = {i, member};
    }
  }
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& [name, place] : members_) names.push_back(name);
    return names;
  }
  [[nodiscard]] bool has(const std::string& name) const { return members_.contains(name); }
  // The header alone.
  [[nodiscard]] NpyHeader header(const std::string& name) const {
    return parse_npy_header(begin_of(name, kMaxNpyHeader), where(name));
  }
  [[nodiscard]] NpyArray array(const std::string& name) const;
  [[nodiscard]] std::string where(const std::string& name) const {
    return fmt::format("{}: array \"{}\"", file_.string(), name);
  }

 private:
  struct Place {
    std::uint64_t index = 0;
    ZipMember member;
  };
  [[nodiscard]] std::string begin_of(const std::string& name, std::uint64_t bytes) const {
    const Place& place = members_.at(name);
    std::string begin;
    if (const auto reject =
            zip_.read_begin(place.index, std::min(bytes, place.member.bytes), begin))
      throw Error(ExitCode::kData, "{}: {} ({})", where(name), reject->reason, reject->detail);
    return begin;
  }

  fs::path file_;
  ZipFile zip_;
  std::map<std::string, Place> members_;
};

NpyArray Npz::array(const std::string& name) const {
  const Place& place = members_.at(name);
  NpyArray array;
  array.header = header(name);
  array.first = array.header.header_bytes;
  if (place.member.is_stored) {
    array.bytes = open_stored_member(file_, place.index, place.member.bytes);
    return array;
  }
  if (place.member.bytes > kMaxUnpacked)
    throw Error(ExitCode::kData,
                "{} is compressed and larger than 1 GiB, which would have to be in memory; save it "
                "with numpy.savez or numpy.save",
                where(name));
  array.bytes = bytes_in_memory(begin_of(name, place.member.bytes));
  return array;
}

// "y_train" for "x_train", "labels" for "images".
std::optional<std::string> label_name(const std::string& images, const Npz& npz) {
  constexpr std::pair<std::string_view, std::string_view> kPairs[] = {
      {"images", "labels"}, {"image", "label"}, {"imgs", "labels"}, {"x", "y"},
      {"X", "y"},           {"X", "Y"},         {"arr_0", "arr_1"}};
  for (const auto& [from, to] : kPairs) {
    const auto at = images.find(from);
    if (at == std::string::npos) continue;
    std::string name = images;
    name.replace(at, from.size(), to);
    if (npz.has(name)) return name;
  }
  return std::nullopt;
}

std::string only_images(const Npz& npz, const fs::path& file) {
  std::vector<std::string> candidates;
  for (const std::string& name : npz.names())
    if (holds_images(npz.header(name))) candidates.push_back(name);
  if (candidates.size() == 1) return candidates.front();
  throw Error(ExitCode::kData,
              "{} has {} arrays of images ({}); its arrays are {}: name one with --dataset",
              file.string(), candidates.size(), fmt::join(candidates, ", "),
              fmt::join(npz.names(), ", "));
}

// The arrays "names" and "class_names" that `valley shard export` writes.
void read_texts(const Npz& npz, ImageArrays& arrays) {
  const auto is_list = [&](const std::string& name) {
    if (!npz.has(name)) return false;
    const NpyHeader header = npz.header(name);
    return header.type.starts_with("<U") && header.shape.size() == 1;
  };
  if (is_list("class_names"))
    arrays.class_names = texts_of(npz.array("class_names"), npz.where("class_names"));
  if (!is_list("names")) return;
  arrays.names = texts_of(npz.array("names"), npz.where("names"));
  const std::unordered_set<std::string_view> unique(arrays.names.begin(), arrays.names.end());
  if (arrays.names.size() != arrays.rows->size() || unique.size() != arrays.names.size())
    throw Error(ExitCode::kData, "{} holds {} names, {} of them different, for {} images",
                npz.where("names"), arrays.names.size(), unique.size(), arrays.rows->size());
}

std::optional<std::string> only_labels(const Npz& npz, const std::string& images,
                                       std::uint64_t count) {
  if (std::optional<std::string> named = label_name(images, npz)) return named;
  std::vector<std::string> candidates;
  for (const std::string& name : npz.names()) {
    const NpyHeader header = npz.header(name);
    if (is_label_type(header.type) && header.shape == std::vector<std::uint64_t>{count})
      candidates.push_back(name);
  }
  if (candidates.size() == 1) return candidates.front();
  return std::nullopt;
}

}  // namespace

bool is_npz(const fs::path& file) {
  const ZipFile zip(file);
  for (std::uint64_t i = 0; i < zip.size(); ++i)
    if (!zip.member(i).path.ends_with(".npy")) return false;
  return zip.size() > 0;
}

ImageArrays open_npz(const fs::path& file, const std::optional<std::string>& array) {
  const Npz npz(file);
  const std::string name = array ? *array : only_images(npz, file);
  if (!npz.has(name))
    throw Error(ExitCode::kData, "{} has no array \"{}\"; it has {}", file.string(), name,
                fmt::join(npz.names(), ", "));
  ImageArrays arrays = images_of(npz.array(name), "npz", npz.where(name));
  read_texts(npz, arrays);
  const auto labels = only_labels(npz, name, arrays.rows->size());
  if (!labels) {
    arrays.notes.push_back("no array has a label per image, so the images have none");
    return arrays;
  }
  const NpyArray classes = npz.array(*labels);
  if (!is_label_type(classes.header.type))
    throw Error(ExitCode::kData, "{} holds {}, not whole numbers; --labels none ignores it",
                npz.where(*labels), classes.header.type);
  arrays.labels = labels_of(classes, npz.where(*labels));
  const auto largest = std::ranges::max_element(arrays.labels);
  const auto known = static_cast<std::int64_t>(arrays.class_names.size());
  if (known > 0 && largest != arrays.labels.end() && *largest >= known)
    throw Error(ExitCode::kData, "{} has labels up to {}, but \"class_names\" has {} names",
                npz.where(*labels), *largest, known);
  return arrays;
}

}  // namespace valley
