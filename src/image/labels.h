// The classes of a folder's images: from the folders that they lie in, or from StyleGAN's
// dataset.json.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace valley {

inline constexpr std::string_view kDatasetFile = "dataset.json";

enum class LabelKind {
  kAuto,  // dataset.json where the folder has one with labels, else kDirs where there are two or
          // more class folders, else kNone
  kDirs,  // the first folder of a path is its class; classes are numbered by the order of their
          // bytes
  kJson,  // {"labels": [["PATH", CLASS], ...]}, and optionally {"class_names": [...]}
  kNone,
};

struct LabelOptions {
  LabelKind kind = LabelKind::kAuto;
  std::filesystem::path file{};  // of kJson
};

// "auto", "dirs", "json:FILE", "none"; else kUsage.
[[nodiscard]] LabelOptions parse_labels(const std::string& text);

struct Labels {
  LabelKind kind = LabelKind::kNone;     // what was found, never kAuto
  std::vector<std::int64_t> of;          // of each path; -1: none
  std::vector<std::string> class_names;  // may be empty with kJson
  std::string warning{};                 // what a person should know, empty: nothing
};

// `paths` below `folder`, in order. Errors: kMissingInput or kData naming the file, and the entry
// in it that is wrong; kData for a file of which no entry matches a path.
[[nodiscard]] Labels find_labels(const std::filesystem::path& folder,
                                 const std::vector<std::string>& paths,
                                 const LabelOptions& options);

}  // namespace valley
