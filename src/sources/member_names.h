// Names of files in folders and archives.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sources/file_collection.h"

namespace valley {

// True for names that end in .png .jpg .jpeg .jpe .webp, in any case.
[[nodiscard]] bool has_image_extension(std::string_view name);
// ".jpg" of "a/b.c.jpg"; "" without one.
[[nodiscard]] std::string extension_of(std::string_view name);
// A to Z as a to z.
[[nodiscard]] std::string lower_case(std::string_view text);
// The same in lower case.
[[nodiscard]] std::string lower_extension_of(std::string_view name);

// Path of a member of an archive without leading "./"; a reject for paths that lead out of a
// folder: empty ones, absolute ones, and those with "..".
[[nodiscard]] std::string clean_path(std::string_view path);
[[nodiscard]] std::optional<Reject> reject_unsafe(std::string_view path);
// True if a part of the path starts with a dot, or for the folder __MACOSX.
[[nodiscard]] bool is_hidden(std::string_view path);

// Path up to the first dot of its last part: what the files of a webdataset sample share.
[[nodiscard]] std::string_view sample_key(std::string_view path);

// "train-{000..146}.tar" as 147 paths, also "{a,b}"; a path without braces as itself. Error kUsage
// for braces that are not closed, ranges that run backwards, and more than a million paths.
[[nodiscard]] std::vector<std::string> expand_braces(const std::string& pattern);

// True for a name of an image in a data set: UTF-8 that is not empty, without control characters.
[[nodiscard]] bool is_image_name(std::string_view name);

// Files that are not images: counts by extension, and of hidden ones.
struct SkippedFiles {
  std::map<std::string, std::uint64_t> others{};
  std::uint64_t hidden = 0;
};
// One sentence about each kind, for FileCollection::notes.
[[nodiscard]] std::vector<std::string> describe_skipped(const SkippedFiles& skipped);

// Sorts entries by path, marks all but the first of equal paths as rejects, and returns the earlier
// index of each.
[[nodiscard]] std::vector<std::size_t> sort_entries(std::vector<FileEntry>& entries);

}  // namespace valley
