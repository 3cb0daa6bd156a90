// Destination directory of a build: check of existing files, cleaning and locking.
#pragma once

#include <filesystem>
#include <set>
#include <string>

namespace valley {

enum class Existing {
  kRefuse,     // the default: the directory must be new or empty
  kResume,     // continue an interrupted build; start a new one if there is none
  kOverwrite,  // remove the existing data set
};

// Error kCannotWrite, with advice, unless `existing` allows a build in `directory`. Always rejects
// a directory with foreign files; ignores hidden files and files of the operating system
// (".DS_Store", "Thumbs.db"). Changes nothing.
void check_destination(const std::filesystem::path& directory, Existing existing);

// Creates the directory if needed and locks it: other builders get Error kCannotWrite during the
// lifetime of this object or process.
class DestinationLock {
 public:
  explicit DestinationLock(const std::filesystem::path& directory);
  ~DestinationLock();
  DestinationLock(const DestinationLock&) = delete;
  DestinationLock& operator=(const DestinationLock&) = delete;

 private:
  int descriptor_ = -1;
};

// Removes the data set in `directory`: the manifest first, so that leftovers of an interrupted
// removal are not a data set.
void remove_dataset(const std::filesystem::path& directory);

// Removes temporary files of an earlier builder, except those with a name in `kept`, and shards
// from number `shards` on, which the manifest does not list.
void remove_leftovers(const std::filesystem::path& directory, std::size_t shards,
                      const std::set<std::string>& kept = {});

// Error kCannotWrite, naming both sizes, if the file system has less than `bytes` free.
void require_free_space(const std::filesystem::path& directory, std::uint64_t bytes);

}  // namespace valley
