#include "image/labels.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <unordered_map>

#include "core/atomic_file.h"
#include "core/error.h"
#include "image/folder_listing.h"

namespace valley {
namespace {

using nlohmann::json;

// Empty for what lies in no folder.
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

class LabelFile {
 public:
  explicit LabelFile(const std::filesystem::path& path)
      : name_(path.string()), root_(json::parse(read_file(path), nullptr, false)) {
    if (!root_.is_object()) fail("it is not a JSON object");
  }
  [[nodiscard]] bool has_labels() const {
    return root_.contains("labels") && !root_["labels"].is_null();
  }
  [[nodiscard]] Labels labels_of(const std::vector<std::string>& paths) const;

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ExitCode::kData,
                "{}: {}; expected {{\"labels\": [[\"folder/image.png\", 3], ...]}}", name_, what);
  }
  [[nodiscard]] std::unordered_map<std::string, std::int64_t> read_labels() const;
  [[nodiscard]] std::vector<std::string> read_class_names(std::int64_t largest) const;

  std::string name_;
  json root_;
};

std::unordered_map<std::string, std::int64_t> LabelFile::read_labels() const {
  const json& list = root_["labels"];
  if (!list.is_array()) fail("\"labels\" is no list");
  std::unordered_map<std::string, std::int64_t> labels;
  for (const json& entry : list) {
    const bool is_pair = entry.is_array() && entry.size() == 2 && entry[0].is_string();
    if (!is_pair || !entry[1].is_number_integer() || entry[1] < 0 || entry[1] > INT32_MAX)
      fail(fmt::format("the entry {} is no path with a class number",
                       entry.dump(-1, ' ', false, json::error_handler_t::replace).substr(0, 200)));
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
  if (!is_text || list.size() <= static_cast<std::size_t>(largest))
    fail(fmt::format("\"class_names\" is no list of at least {} texts", largest + 1));
  return list.get<std::vector<std::string>>();
}

Labels LabelFile::labels_of(const std::vector<std::string>& paths) const {
  if (!has_labels()) fail("it has no \"labels\"");
  std::unordered_map<std::string, std::int64_t> known = read_labels();
  std::int64_t largest = -1;
  for (const auto& [path, label] : known) largest = std::max(largest, label);
  Labels labels{.kind = LabelKind::kJson, .of = {}, .class_names = read_class_names(largest)};
  for (const std::string& path : paths) {
    const auto found = known.extract(path);
    labels.of.push_back(found.empty() ? -1 : found.mapped());
  }
  if (known.empty()) return labels;
  const auto first = std::min_element(
      known.begin(), known.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  labels.warning =
      fmt::format("{}: {} of its labels belong to no image of the folder, such as \"{}\"", name_,
                  known.size(), escaped_name(first->first));
  return labels;
}

Labels no_labels(std::size_t images) {
  return {.kind = LabelKind::kNone, .of = std::vector<std::int64_t>(images, -1), .class_names = {}};
}

Labels labels_of_any_kind(const std::filesystem::path& folder,
                          const std::vector<std::string>& paths) {
  if (std::error_code status; std::filesystem::is_regular_file(folder / kDatasetFile, status)) {
    const LabelFile file(folder / kDatasetFile);
    if (file.has_labels()) return file.labels_of(paths);
  }
  Labels labels = labels_of_folders(paths);
  if (labels.class_names.size() >= 2) return labels;
  Labels none = no_labels(paths.size());
  if (!labels.class_names.empty())
    none.warning = fmt::format(
        "one folder, {}, is no class, so the images get no labels; --labels dirs makes it one, and "
        "--source {} takes the folders in it",
        labels.class_names[0], (folder / class_of(paths[0])).string());
  return none;
}

}  // namespace

LabelOptions parse_labels(const std::string& text) {
  constexpr std::string_view kJsonPrefix = "json:";
  if (text == "auto") return {LabelKind::kAuto};
  if (text == "dirs") return {LabelKind::kDirs};
  if (text == "none") return {LabelKind::kNone};
  if (text.starts_with(kJsonPrefix) && text.size() > kJsonPrefix.size())
    return {LabelKind::kJson, text.substr(kJsonPrefix.size())};
  throw Error(ExitCode::kUsage, "--labels {}: there are auto, dirs, json:FILE and none", text);
}

Labels find_labels(const std::filesystem::path& folder, const std::vector<std::string>& paths,
                   const LabelOptions& options) {
  switch (options.kind) {
    case LabelKind::kAuto:
      return labels_of_any_kind(folder, paths);
    case LabelKind::kDirs:
      return labels_of_folders(paths);
    case LabelKind::kJson:
      return LabelFile(options.file).labels_of(paths);
    case LabelKind::kNone:
      break;
  }
  return no_labels(paths.size());
}

}  // namespace valley
