// What a folder of images holds: the same list on every machine and file system.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "image/image_source.h"

namespace valley {

struct FolderEntry {
  std::string path{};  // below the folder, with '/' between, as the bytes that the file system has
  std::uint64_t bytes = 0;
  std::int64_t modified_ns = 0;    // since 1970
  std::optional<Reject> reject{};  // what is known to be no image without looking into it
};

struct FolderListing {
  std::vector<FolderEntry> entries;             // ordered by the bytes of their paths
  std::map<std::string, std::uint64_t> others;  // files passed over: extension, as it is -> number
  std::uint64_t hidden = 0;                     // files and folders whose names start with a dot
  std::vector<std::string> repeated_links;      // links to folders that are listed elsewhere
};

// The reject of a path that a system call failed on, for FileFault::kPath. Error kIo naming the
// path for all other faults: a failing disk says nothing about one image.
[[nodiscard]] Reject unreadable(const std::filesystem::path& path, int error_number);

// All files below whose names end in .png .jpg .jpeg .jpe .webp, in any case; so named things that
// are no files (pipes, devices), links that lead nowhere and folders that cannot be read are
// entries with a reject. A folder so named is a folder, and a reject where it holds no image. A
// folder that cannot be looked into, or a dangling link that may have led to one, is an entry with
// a reject whose path ends in '/', so that its class keeps its number. Links are followed, each
// folder once. Errors: kMissingInput when `folder` itself cannot be read; kIo naming the path when
// the storage fails.
[[nodiscard]] FolderListing list_folder(const std::filesystem::path& folder);

// A path as UTF-8 without control characters: every other byte, and '\', is written "\xNN", so
// different paths have different names.
[[nodiscard]] std::string escaped_name(std::string_view path);

}  // namespace valley
