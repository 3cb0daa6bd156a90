// Classes of the images of a folder: from its subfolders, or from StyleGAN's dataset.json.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace valley {

inline constexpr std::string_view kDatasetFile = "dataset.json";

enum class LabelKind {
  kAuto,  // dataset.json if the folder has one with labels, else kDirs if there are two or more
          // class folders, else kNone
  kDirs,  // the first folder of a path is its class; classes are numbered in the order of their
          // bytes
  kJson,  // {"labels": [["PATH", CLASS], ...]}, and optionally {"class_names": [...]}
  kNone,
};

struct LabelOptions {
  LabelKind kind = LabelKind::kAuto;
  std::filesystem::path file{};  // file of kJson
};

// "auto", "dirs", "json:FILE", "none"; else kUsage.
[[nodiscard]] LabelOptions parse_labels(const std::string& text);

struct Labels {
  LabelKind kind = LabelKind::kNone;     // result, never kAuto
  std::vector<std::int64_t> of;          // class of each path; -1: none
  std::vector<std::string> class_names;  // may be empty with kJson
  std::string warning{};                 // message for the user; may be empty
};

// `paths`: relative to `folder`, sorted. Errors: kMissingInput or kData naming the file and the
// invalid entry; kData if no entry matches a path.
[[nodiscard]] Labels find_labels(const std::filesystem::path& folder,
                                 const std::vector<std::string>& paths,
                                 const LabelOptions& options);

}  // namespace valley
