#include "sources/labels.h"

#include <algorithm>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_map>

#include "core/error.h"
#include "core/file_type.h"
#include "core/json_text.h"
#include "core/read_file.h"
#include "core/text.h"
#include "sources/label_table.h"
#include "sources/member_names.h"

namespace valley {
namespace {

using nlohmann::json;

// "" for files outside of folders.
std::string_view class_of(std::string_view path) {
  const auto slash = path.find('/');
  return slash == std::string_view::npos ? std::string_view{} : path.substr(0, slash);
}

Labels labels_of_folders(const std::vector<std::string>& paths) {
  std::map<std::string_view, std::int64_t> classes;
  for (const std::string& path : paths) {
    if (!class_of(path).empty()) classes[class_of(path)] = 0;
  }
  Labels labels{.kind = LabelKind::kDirs, .of = {}, .class_names = {}};
  for (auto& [name, number] : classes) {
    number = static_cast<std::int64_t>(labels.class_names.size());
    labels.class_names.push_back(escaped_name(name));
  }
  for (const std::string& path : paths)
    labels.of.push_back(class_of(path).empty() ? -1 : classes[class_of(path)]);
  return labels;
}

json parse_labels_file(const std::string& text, const std::string& name) {
  json root = try_parse_json(text);
  if (!root.is_discarded()) return root;
  throw Error(ExitCode::kData, "{}. It is not a JSON object with \"labels\"",
              json_error(text, name).what());
}

class LabelFile {
 public:
  LabelFile(const std::string& text, std::string name)
      : name_(std::move(name)), root_(parse_labels_file(text, name_)) {
    if (!root_.is_object()) fail("it is not a JSON object");
  }
  [[nodiscard]] bool has_labels() const {
    return root_.contains("labels") && !root_["labels"].is_null();
  }
  // Called also for an empty list, which StyleGAN's tools write for images without labels.
  [[nodiscard]] bool has_any_label() const { return has_labels() && !root_["labels"].empty(); }
  // `valley shard export` wrote the file: images that it does not list have no label.
  [[nodiscard]] bool has_order() const { return root_.contains("order"); }
  [[nodiscard]] Labels labels_of(const std::vector<std::string>& paths) const;

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ExitCode::kData,
                "{}: {}; expected {{\"labels\": [[\"folder/image.png\", 3], ...]}}", name_, what);
  }
  [[nodiscard]] std::unordered_map<std::string, std::int64_t> read_labels() const;
  [[nodiscard]] std::vector<std::string> read_class_names(std::int64_t largest) const;
  [[nodiscard]] std::vector<std::string> read_names(const std::vector<std::string>& paths) const;
  [[nodiscard]] std::vector<std::uint64_t> read_order(const std::vector<std::string>& paths) const;

  std::string name_;
  json root_;
};

std::unordered_map<std::string, std::int64_t> LabelFile::read_labels() const {
  const json& list = root_["labels"];
  if (!list.is_array()) fail("\"labels\" is not a list");
  std::unordered_map<std::string, std::int64_t> labels;
  for (const json& entry : list) {
    const bool is_pair = entry.is_array() && entry.size() == 2 && entry[0].is_string();
    if (!is_pair || !entry[1].is_number_integer() || entry[1] < 0 || entry[1] > INT32_MAX)
      fail(fmt::format("the entry {} is not a path with a class number",
                       write_json(entry).substr(0, 200)));
    std::string path = entry[0].get<std::string>();
    if (path.starts_with("./")) path.erase(0, 2);
    const auto label = entry[1].get<std::int64_t>();
    if (const auto [found, is_new] = labels.emplace(path, label); !is_new && found->second != label)
      fail(fmt::format("\"{}\" has two labels, {} and {}", path, found->second, label));
  }
  return labels;
}

std::vector<std::string> LabelFile::read_class_names(std::int64_t largest) const {
  if (!root_.contains("class_names")) return {};
  const json& list = root_["class_names"];
  const bool is_text = list.is_array() && std::all_of(list.begin(), list.end(),
                                                      [](const json& n) { return n.is_string(); });
  if (list.is_array() && list.empty()) return {};
  if (!is_text || list.size() < static_cast<std::size_t>(largest + 1))
    fail(fmt::format("\"class_names\" is not a list of at least {} texts", largest + 1));
  return list.get<std::vector<std::string>>();
}

// Names of the images, where some differ from their paths.
std::vector<std::string> LabelFile::read_names(const std::vector<std::string>& paths) const {
  if (!root_.contains("names")) return {};
  const json& map = root_["names"];
  if (!map.is_object()) fail("\"names\" is not an object of paths and names");
  std::vector<std::string> names;
  std::set<std::string> known;
  for (const std::string& path : paths) {
    const auto found = map.find(path);
    if (found != map.end() && !found->is_string())
      fail(fmt::format("the name of \"{}\" is not a text", escaped_name(path)));
    names.push_back(found == map.end() ? escaped_name(path) : found->get<std::string>());
    if (!is_image_name(names.back()))
      fail(fmt::format("the name of \"{}\" is empty or holds control characters",
                       escaped_name(path)));
    const bool repeats_path = names.size() > 1 && path == paths[names.size() - 2];
    if (!known.insert(names.back()).second && !repeats_path)
      fail(fmt::format("two images have the name \"{}\"", names.back()));
  }
  return names;
}

// Paths that the file does not list come last.
std::vector<std::uint64_t> LabelFile::read_order(const std::vector<std::string>& paths) const {
  if (!has_order()) return {};
  const json& list = root_["order"];
  if (!list.is_array()) fail("\"order\" is not a list of paths");
  std::unordered_map<std::string_view, std::uint64_t> indices;
  for (std::size_t i = 0; i < paths.size(); ++i) indices.emplace(paths[i], i);
  std::vector<std::uint64_t> order;
  std::vector<bool> is_listed(paths.size());
  for (const json& path : list) {
    if (!path.is_string()) fail("\"order\" is not a list of paths");
    const auto found = indices.find(path.get_ref<const std::string&>());
    if (found == indices.end()) continue;
    if (is_listed[found->second])
      fail(fmt::format("\"order\" lists \"{}\" twice", escaped_name(found->first)));
    is_listed[found->second] = true;
    order.push_back(found->second);
  }
  for (std::size_t i = 0; i < paths.size(); ++i)
    if (!is_listed[i]) order.push_back(i);
  return order;
}

// The first `count` of the sorted texts as quoted names. Backslashes are not escaped, so that they
// appear as in the file.
std::string examples_of(std::vector<std::string> texts, std::size_t count) {
  constexpr std::string_view kBackslash = "\\x5C";
  std::sort(texts.begin(), texts.end());
  std::string shown;
  for (std::size_t i = 0; i < std::min(count, texts.size()); ++i) {
    std::string name = escaped_name(texts[i]);
    for (auto at = name.find(kBackslash); at != std::string::npos;
         at = name.find(kBackslash, at + 1))
      name.replace(at, kBackslash.size(), 1, '\\');
    shown += fmt::format("{}\"{}\"", i == 0 ? "" : ", ", name);
  }
  return shown;
}

std::string with_slashes(std::string path) {
  std::replace(path.begin(), path.end(), '\\', '/');
  return path;
}

std::string without_extension(const std::string& path) {
  return std::filesystem::path(path).replace_extension().string();
}

std::string file_name(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

// True where some label's path equals some image's path after `change` has been applied to both.
bool any_match(const std::vector<std::string>& label_paths, const std::vector<std::string>& images,
               const std::function<std::string(std::string)>& change) {
  std::set<std::string> changed;
  for (const std::string& path : images) changed.insert(change(path));
  return std::any_of(label_paths.begin(), label_paths.end(),
                     [&](const std::string& path) { return changed.contains(change(path)); });
}

// Likely reason why no path of a label is the path of an image.
std::string mismatch_reason(const std::vector<std::string>& label_paths,
                            const std::vector<std::string>& images) {
  const auto any_label = [&](const auto& holds) {
    return std::any_of(label_paths.begin(), label_paths.end(), holds);
  };
  if (any_label([](const std::string& path) { return path.find('\\') != std::string::npos; }) &&
      any_match(label_paths, images,
                [](std::string path) { return file_name(with_slashes(path)); }))
    return "its paths have backslashes; write them with '/'";
  const bool same_file = any_match(label_paths, images, file_name);
  if (same_file &&
      any_label([](const std::string& path) { return std::filesystem::path(path).is_absolute(); }))
    return "its paths are absolute; write them relative to the folder of images";
  if (any_match(label_paths, images, lower_case))
    return "its paths differ from the images' only in upper and lower case";
  if (any_match(label_paths, images, without_extension))
    return "its paths end in other extensions than the images'";
  if (same_file)
    return "its paths name the same files in other folders; write them relative to the folder of "
           "images, or name as the source the folder that they are relative to";
  if (any_match(label_paths, images, [](const std::string& path) {
        return lower_case(without_extension(file_name(with_slashes(path))));
      }))
    return "its paths differ from the images' in folders, extensions or case";
  return "it may belong to another folder";
}

// Labels by path, as a file lists them.
struct ListedLabels {
  std::string file;
  std::string example;  // of an entry, for an empty list
  std::unordered_map<std::string, std::int64_t> known;
  bool may_be_empty = false;
};

// Error kData with examples of both and the likely reason, because no entry matches an image.
[[noreturn]] void fail_without_match(const ListedLabels& listed,
                                     const std::vector<std::string>& label_paths,
                                     const std::vector<std::string>& images) {
  const std::string shown = examples_of(images, 2);
  if (label_paths.empty())
    throw Error(ExitCode::kData,
                "{}: its list \"labels\" is empty, so none of {} images has a label; the images "
                "are named like {}; list them as {}",
                listed.file, images.size(), shown, listed.example);
  throw Error(ExitCode::kData,
              "{}: none of its {} labels belongs to one of {} images: {}. Its paths are like {}, "
              "those of the images like {}",
              listed.file, label_paths.size(), images.size(), mismatch_reason(label_paths, images),
              examples_of(label_paths, 2), shown);
}

// Fills labels.of, with a warning for entries that belong to no image.
void match_labels(ListedLabels listed, const std::vector<std::string>& paths, Labels& labels) {
  const std::size_t entries = listed.known.size();
  std::vector<std::string> unlabelled;
  for (const std::string& path : paths) {
    const auto found = listed.known.extract(path);
    labels.of.push_back(found.empty() ? -1 : found.mapped());
    if (found.empty()) unlabelled.push_back(path);
  }
  std::vector<std::string> unused;
  unused.reserve(listed.known.size());
  for (const auto& [path, label] : listed.known) unused.push_back(path);
  const bool may_be_empty = listed.may_be_empty && entries == 0;
  if (!paths.empty() && unlabelled.size() == paths.size() && !may_be_empty)
    fail_without_match(listed, unused, unlabelled);
  if (unused.empty()) return;
  labels.warning = fmt::format(
      "{}: {} of its labels belong to no image of the folder, such as {}; {} of {} entries match, "
      "and {} of {} images have no label",
      listed.file, unused.size(), examples_of(unused, 1), entries - unused.size(), entries,
      unlabelled.size(), paths.size());
}

Labels LabelFile::labels_of(const std::vector<std::string>& paths) const {
  if (!has_labels() && !has_order()) fail("it has no \"labels\"");
  ListedLabels listed{name_, "{\"labels\": [[\"folder/image.png\", 3], ...]}", {}, has_order()};
  if (has_labels()) listed.known = read_labels();
  std::int64_t largest = -1;
  for (const auto& [path, label] : listed.known) largest = std::max(largest, label);
  Labels labels{.kind = LabelKind::kJson, .of = {}, .class_names = read_class_names(largest)};
  match_labels(std::move(listed), paths, labels);
  labels.names = read_names(paths);
  labels.order = read_order(paths);
  return labels;
}

Labels no_labels(std::size_t images) {
  return {.kind = LabelKind::kNone, .of = std::vector<std::int64_t>(images, -1), .class_names = {}};
}

bool has_own_labels(const FileCollection& files) {
  return std::ranges::any_of(files.own_labels(), [](std::int64_t label) { return label >= 0; });
}

Labels own_labels_of(const FileCollection& files) {
  if (!has_own_labels(files))
    throw Error(ExitCode::kData, "{}: no image has a label of its own", files.place_of(""));
  return {
      .kind = LabelKind::kOwn, .of = files.own_labels(), .class_names = files.own_class_names()};
}

Labels labels_of_any_kind(const FileCollection& files, const std::vector<std::string>& paths) {
  const std::string name = files.place_of(kDatasetFile);
  try {
    if (const std::optional<std::string> text = files.dataset_file()) {
      const LabelFile file(*text, name);
      if (file.has_any_label() || file.has_order()) return file.labels_of(paths);
    }
  } catch (const Error& error) {
    throw Error(
        error.code(),
        "{}. The file was found in the {} of images: if it does not hold their labels, move "
        "or rename it; valley shard build ignores it with --labels dirs or --labels none",
        error.what(), files.kind() == "folder" ? "folder" : "archive");
  }
  if (has_own_labels(files)) return own_labels_of(files);
  Labels labels = labels_of_folders(paths);
  if (labels.class_names.size() >= 2) return labels;
  Labels none = no_labels(paths.size());
  if (!labels.class_names.empty())
    none.warning = fmt::format(
        "there is only one folder, {}, so the images get no labels; --labels dirs makes it a "
        "class{}",
        labels.class_names[0],
        files.kind() == "folder" ? fmt::format(", and --source {} uses the folders in it",
                                               files.place_of(class_of(paths[0])))
                                 : "");
  return none;
}

Labels labels_of_table(const LabelTable& table, std::size_t column,
                       const std::vector<std::string>& paths) {
  ColumnClasses classes = classes_of_column(table, column);
  Labels labels{.kind = LabelKind::kTable, .of = {}, .class_names = std::move(classes.names)};
  ListedLabels listed{table.file, "path,class", {}};
  for (std::size_t i = 0; i < table.paths.size(); ++i)
    if (classes.of[i] >= 0) listed.known.emplace(table.paths[i], classes.of[i]);
  match_labels(std::move(listed), paths, labels);
  return labels;
}

}  // namespace

LabelOptions parse_labels(const std::string& text) {
  constexpr std::string_view kJsonPrefix = "json:";
  constexpr std::string_view kTablePrefix = "csv:";
  if (text == "auto") return {LabelKind::kAuto};
  if (text == "dirs") return {LabelKind::kDirs};
  if (text == "none") return {LabelKind::kNone};
  if (text.starts_with(kJsonPrefix) && text.size() > kJsonPrefix.size())
    return {LabelKind::kJson, text.substr(kJsonPrefix.size())};
  if (text.starts_with(kTablePrefix) && text.size() > kTablePrefix.size()) {
    const std::string file = text.substr(kTablePrefix.size());
    const auto colon = file.rfind(':');
    // A file whose name has a colon is named as it is.
    if (colon == std::string::npos || is_there(file)) return {LabelKind::kTable, file};
    return {LabelKind::kTable, file.substr(0, colon), file.substr(colon + 1)};
  }
  throw Error(ExitCode::kUsage,
              "--labels {}: must be auto, dirs, json:FILE, csv:FILE, csv:FILE:COLUMN or none",
              text);
}

Labels find_labels(const FileCollection& files, const LabelOptions& options) {
  std::vector<std::string> paths;
  paths.reserve(files.entries().size());
  for (const FileEntry& entry : files.entries()) paths.push_back(entry.path);
  switch (options.kind) {
    case LabelKind::kAuto:
      return labels_of_any_kind(files, paths);
    case LabelKind::kDirs:
      return labels_of_folders(paths);
    case LabelKind::kJson:
      return LabelFile(read_file(options.file, {.takes_pipes = true}), options.file.string())
          .labels_of(paths);
    case LabelKind::kTable: {
      const LabelTable table = read_label_table(options.file);
      return labels_of_table(table, options.column.empty() ? 0 : table.column(options.column),
                             paths);
    }
    case LabelKind::kOwn:
      return own_labels_of(files);
    case LabelKind::kNone:
      break;
  }
  return no_labels(paths.size());
}

}  // namespace valley
