// A folder that appears whole or not at all.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string_view>

#include "data/destination.h"

namespace valley {

class FolderDraft {
 public:
  // Makes the hidden folder ".NAME.export.tmp" beside `destination` and locks it; an earlier one is
  // emptied. Error kCannotWrite if another process writes it.
  explicit FolderDraft(const std::filesystem::path& destination);
  ~FolderDraft();  // without a commit, removes the hidden folder
  FolderDraft(const FolderDraft&) = delete;
  FolderDraft& operator=(const FolderDraft&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return draft_; }
  // A new file in the folder, with its folders. Any thread may call.
  void write(const std::filesystem::path& relative, std::string_view content) const;
  // Flushes the file system and renames the folder to `destination`, after the removal of what is
  // there.
  void commit();

 private:
  std::filesystem::path destination_;
  std::filesystem::path draft_;
  std::optional<DestinationLock> lock_;
  bool is_committed_ = false;
};

// Error kCannotWrite if `destination` exists, unless it is an empty folder, or `overwrite` is set
// and is_ours(destination) is true.
void require_free_destination(const std::filesystem::path& destination, bool overwrite,
                              const std::function<bool(const std::filesystem::path&)>& is_ours);

}  // namespace valley
