// The directory that a data set is built into: what may be there, cleaning, one builder at a time.
#pragma once

#include <filesystem>
#include <string>

namespace valley {

enum class Existing {
  kRefuse,     // the default: the directory must be new or empty
  kResume,     // go on with an interrupted build; nothing there: start
  kOverwrite,  // remove the data set that is there
};

// Throws kCannotWrite, with the way out, unless a build may go on in `directory` under `existing`.
// Whatever else it is asked for, a directory that holds files of others is refused; hidden files
// and files of the operating system (".DS_Store", "Thumbs.db") are ignored. Changes nothing.
void check_destination(const std::filesystem::path& directory, Existing existing);

// Makes the directory where needed and holds it: another builder in it is refused (kCannotWrite)
// as long as this lives, which is also as long as the process does.
class DestinationLock {
 public:
  explicit DestinationLock(const std::filesystem::path& directory);
  ~DestinationLock();
  DestinationLock(const DestinationLock&) = delete;
  DestinationLock& operator=(const DestinationLock&) = delete;

 private:
  int descriptor_ = -1;
};

// Removes the data set in `directory`: the manifest first, so that what is left of an interrupted
// removal is no data set.
void remove_dataset(const std::filesystem::path& directory);

// Removes temporary files of an earlier builder and shards from number `shards` on, which the
// manifest does not list.
void remove_leftovers(const std::filesystem::path& directory, std::size_t shards);

// kCannotWrite, naming both numbers, when the file system has less than `bytes` free.
void require_free_space(const std::filesystem::path& directory, std::uint64_t bytes);

}  // namespace valley
