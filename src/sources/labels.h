// Classes of the images of a collection: from folders, StyleGAN's dataset.json, a table, or labels
// that are stored with the images.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "sources/file_collection.h"

namespace valley {

inline constexpr std::string_view kDatasetFile = "dataset.json";

enum class LabelKind {
  kAuto,   // dataset.json if there is one with labels, else kOwn if the images have them, else
           // kDirs if there are two or more class folders, else kNone
  kDirs,   // the first folder of a path is its class; classes are numbered in the order of their
           // bytes
  kJson,   // {"labels": [["PATH", CLASS], ...]}, and optionally {"class_names": [...]}, and names
           // and order of the images as `valley shard export` writes them
  kTable,  // a column of a table of paths: label_table.h
  kOwn,    // stored with each image
  kNone,
};

struct LabelOptions {
  LabelKind kind = LabelKind::kAuto;
  std::filesystem::path file{};  // of kJson and kTable
  std::string column{};          // of kTable; "": the first one after the paths
};

// "auto", "dirs", "json:FILE", "csv:FILE", "csv:FILE:COLUMN", "none"; else kUsage.
[[nodiscard]] LabelOptions parse_labels(const std::string& text);

struct Labels {
  LabelKind kind = LabelKind::kNone;     // result, never kAuto
  std::vector<std::int64_t> of;          // class of each path; -1: none
  std::vector<std::string> class_names;  // may be empty with kJson and kOwn
  std::vector<std::string> names{};      // of each path's image; empty: the paths
  std::vector<std::uint64_t> order{};    // of the paths' indices; empty: 0, 1, 2, ...
  std::string warning{};                 // message for the user; may be empty
};

// Errors: kMissingInput or kData naming the file and the invalid entry; kData if no entry matches a
// path, or for kOwn without labels.
[[nodiscard]] Labels find_labels(const FileCollection& files, const LabelOptions& options);

}  // namespace valley
