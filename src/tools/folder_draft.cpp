#include "tools/folder_draft.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/file_system.h"
#include "core/file_type.h"
#include "core/text.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

// "data/x/" and "data/x" name the same folder.
fs::path without_slash(const fs::path& path) {
  return path.has_filename() ? path : path.parent_path();
}

fs::path hidden_beside(const fs::path& path, std::string_view ending) {
  return path.parent_path() / fmt::format(".{}.{}", path.filename().string(), ending);
}

void remove_folder(const fs::path& path) {
  std::error_code status;
  fs::remove_all(path, status);
  if (status) throw file_error("removing", path.string(), status.value(), true);
}

void rename_folder(const fs::path& from, const fs::path& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0)
    throw file_error(fmt::format("renaming {} to", from.string()), to.string(), errno, true);
}

void make_folders(const fs::path& path) {
  std::error_code status;
  fs::create_directories(path, status);
  if (status) throw file_error("making the folder", path.string(), status.value(), true);
}

}  // namespace

FolderDraft::FolderDraft(const fs::path& destination)
    : destination_(without_slash(destination)), draft_(hidden_beside(destination_, "export.tmp")) {
  if (!destination_.parent_path().empty()) make_folders(destination_.parent_path());
  lock_.emplace(draft_);
  std::error_code status;
  for (const fs::directory_entry& left : fs::directory_iterator(draft_, status))
    remove_folder(left.path());
  if (status) throw file_error("listing", draft_.string(), status.value(), true);
}

FolderDraft::~FolderDraft() {
  std::error_code ignored;
  if (!is_committed_) fs::remove_all(draft_, ignored);
}

void FolderDraft::write(const fs::path& relative, std::string_view content) const {
  const fs::path path = draft_ / relative;
  constexpr ::mode_t kMode = 0644;
  const auto open = [&path] {
    return ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kMode);
  };
  int descriptor = open();
  if (descriptor < 0 && errno == ENOENT) {
    make_folders(path.parent_path());
    descriptor = open();
  }
  if (descriptor < 0) throw file_error("creating", path.string(), errno, true);
  const int failure = write_and_close(descriptor, content);
  if (failure != 0) throw file_error("writing", path.string(), failure, true);
}

void FolderDraft::commit() {
  flush_file_system(draft_.string());
  const bool replaces = is_there(destination_, true);
  const fs::path old = hidden_beside(destination_, "export.old");
  if (replaces) {
    remove_folder(old);
    rename_folder(destination_, old);
  }
  rename_folder(draft_, destination_);
  is_committed_ = true;
  if (replaces) remove_folder(old);
  sync_directory(destination_.has_parent_path() ? destination_.parent_path() : fs::path("."));
}

void require_free_destination(const fs::path& destination, bool overwrite,
                              const std::function<bool(const fs::path&)>& is_ours) {
  if (!is_there(destination, true)) {
    const std::string hint = tilde_hint(destination.string());
    if (hint.empty()) return;
    throw Error(ExitCode::kCannotWrite, "there is no {}{}", destination.string(), hint);
  }
  std::error_code none;
  if (is_folder(destination, true) && fs::is_empty(destination, none)) return;
  if (!is_ours(destination))
    throw Error(ExitCode::kCannotWrite,
                "{} exists and was not written by this command, so it is not replaced; choose "
                "another --dest",
                destination.string());
  if (!overwrite)
    throw Error(ExitCode::kCannotWrite,
                "{} exists; replace it with --overwrite, or choose another "
                "--dest",
                destination.string());
}

}  // namespace valley
