// Lists a folder of images: the same list on every host and file system.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sources/file_collection.h"

namespace valley {

struct FolderListing {
  std::vector<FileEntry> entries;               // sorted by the bytes of their paths
  std::map<std::string, std::uint64_t> others;  // skipped files: extension -> number
  std::uint64_t hidden = 0;                     // files and folders whose names start with a dot
  std::vector<std::string> repeated_links;      // links to folders that are listed already
};

// Reject for a path for which a system call failed with FileFault::kPath. Error kIo naming the path
// for other faults, such as a failing disk.
[[nodiscard]] Reject unreadable(const std::filesystem::path& path, int error_number);

// All files below `folder` whose names end in .png .jpg .jpeg .jpe .webp, in any case. With such
// names, pipes, devices, dangling links and folders without images are entries with a reject. A
// folder that cannot be read, or a dangling link that may have led to one, is an entry with a
// reject whose path ends in '/', so that its class keeps its number. Follows links, each folder
// once. Errors: kMissingInput if `folder` itself cannot be read; kIo naming the path if storage
// fails.
[[nodiscard]] FolderListing list_folder(const std::filesystem::path& folder);

}  // namespace valley
