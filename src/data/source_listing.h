// What a source held when its build began, kept beside the shards until the build is done: when a
// resume finds another source, it says which images were added, removed or changed.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace valley {

inline constexpr std::string_view kListingFile = ".source-listing.tmp";

// `listing` is ImageSource::listing(); an empty one keeps nothing.
void keep_listing(const std::filesystem::path& directory, const std::string& listing);

// Throws kUsage naming the first few differences and the ways out, unless `now` is what was kept or
// nothing was.
void require_same_listing(const std::filesystem::path& directory, const std::string& now);

void remove_listing(const std::filesystem::path& directory);

}  // namespace valley
