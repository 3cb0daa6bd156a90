// Contents of a source at the start of its build, stored beside the shards until the build is done,
// so that a resume can report which images were added, removed or changed.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace valley {

inline constexpr std::string_view kListingFile = ".source-listing.tmp";

// `listing` is ImageSource::listing(); an empty one is not stored.
void keep_listing(const std::filesystem::path& directory, const std::string& listing);

// Error kUsage naming the first few differences and what to do, if `now` differs from the stored
// listing; no check without one.
void require_same_listing(const std::filesystem::path& directory, const std::string& now);

void remove_listing(const std::filesystem::path& directory);

}  // namespace valley
