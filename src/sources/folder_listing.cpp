#include "sources/folder_listing.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <iterator>
#include <set>
#include <utility>

#include "core/error.h"
#include "sources/member_names.h"
#include "sources/modified_time.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

std::string_view kind_of(mode_t mode) {
  if (S_ISFIFO(mode)) return "a named pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

// Extensions of files that are common beside class folders: a dangling link to one is not a class.
bool is_document(const fs::path& path) {
  constexpr std::array<std::string_view, 26> kEndings{
      ".txt", ".md",  ".rst", ".pdf", ".html", ".xml", ".json", ".jsonl", ".csv",
      ".tsv", ".log", ".zip", ".tar", ".gz",   ".tgz", ".xz",   ".zst",   ".py",
      ".sh",  ".mat", ".npy", ".npz", ".h5",   ".db",  ".toml", ".yaml"};
  const std::string extension = lower_extension_of(path.filename().string());
  return std::find(kEndings.begin(), kEndings.end(), extension) != kEndings.end();
}

bool leads_to_document(const fs::path& link) {
  std::error_code none;
  const fs::path target = fs::read_symlink(link, none);
  return is_document(link) && (none || is_document(target));
}

bool is_known_file(const fs::directory_entry& entry) {
  std::error_code none;
  return entry.is_regular_file(none) || entry.is_fifo(none) || entry.is_socket(none) ||
         entry.is_character_file(none) || entry.is_block_file(none);
}

class Walk {
 public:
  explicit Walk(fs::path root) : root_(std::move(root)) {}
  FolderListing run();

 private:
  struct Folder {
    std::string path;  // "" for the root
    bool is_link = false;
  };
  void visit(const Folder& folder);
  void list(const Folder& folder, const fs::path& path, std::error_code& failure);
  void reject_unseen(std::string path, const fs::directory_entry& entry, bool is_image,
                     Reject reject);
  void look_at(const std::string& parent, const fs::directory_entry& entry);
  void add(std::string path, Reject reject) {
    listing_.entries.push_back({std::move(path), 0, 0, std::move(reject)});
  }
  void reject_empty_folders();

  fs::path root_;
  FolderListing listing_;
  std::set<std::pair<dev_t, ino_t>> visited_;
  std::deque<std::string> folders_;  // folders to visit
  std::set<std::string> links_;      // links to folders; visited after all other folders
  std::vector<std::string> folders_like_images_;
};

// Entry whose stat() failed. Possible folders are listed with a '/', so that they keep their class;
// files without an image's extension are skipped.
void Walk::reject_unseen(std::string path, const fs::directory_entry& entry, bool is_image,
                         Reject reject) {
  std::error_code none;  // the type comes from readdir()
  const bool is_link = entry.is_symlink(none);
  const bool is_folder = !is_link && entry.is_directory(none);
  if (is_image && !is_folder) {
    if (is_link) reject.detail = "the symbolic link: " + reject.detail;
    add(std::move(path), std::move(reject));
  } else if (!is_folder && (is_link ? leads_to_document(entry.path()) : is_known_file(entry))) {
    ++listing_.others[extension_of(path)];
  } else {
    reject.detail =
        (is_link ? "the symbolic link, to a folder perhaps: " : "the folder: ") + reject.detail;
    add(path + "/", std::move(reject));
  }
}

void Walk::look_at(const std::string& parent, const fs::directory_entry& entry) {
  const std::string name = entry.path().filename().string();
  if (name.starts_with('.')) {
    ++listing_.hidden;
    return;
  }
  std::string path = parent.empty() ? name : parent + "/" + name;
  const bool is_image = has_image_extension(name);
  struct stat status {};
  if (::stat(entry.path().c_str(), &status) != 0) {
    reject_unseen(std::move(path), entry, is_image, unreadable(entry.path(), errno));
  } else if (S_ISDIR(status.st_mode)) {
    std::error_code ignored;
    if (is_image) folders_like_images_.push_back(path);
    if (entry.is_symlink(ignored))
      links_.insert(std::move(path));
    else
      folders_.push_back(std::move(path));
  } else if (!is_image) {
    ++listing_.others[extension_of(name)];
  } else if (!S_ISREG(status.st_mode)) {
    add(std::move(path), {"not a regular file", std::string(kind_of(status.st_mode))});
  } else {
    listing_.entries.push_back({std::move(path), static_cast<std::uint64_t>(status.st_size),
                                nanoseconds_of(status.st_mtim.tv_sec, status.st_mtim.tv_nsec),
                                std::nullopt});
  }
}

void Walk::visit(const Folder& folder) {
  const fs::path path = folder.path.empty() ? root_ : root_ / folder.path;
  std::error_code failure;
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    failure = {errno, std::generic_category()};
  } else if (!visited_.emplace(status.st_dev, status.st_ino).second) {
    if (folder.is_link) listing_.repeated_links.push_back(folder.path);
    return;
  }
  if (!failure) list(folder, path, failure);
  if (!failure) return;
  if (folder.path.empty()) throw file_error("listing", root_.string(), failure.value(), false);
  Reject reject = unreadable(path, failure.value());
  reject.detail = "the folder: " + reject.detail;
  add(folder.path + "/", std::move(reject));
}

// If readdir() fails after some entries, `failure` is set and they stay listed.
void Walk::list(const Folder& folder, const fs::path& path, std::error_code& failure) {
  fs::directory_iterator entry(path, failure);
  for (; !failure && entry != fs::directory_iterator(); entry.increment(failure))
    look_at(folder.path, *entry);
}

bool before(const FileEntry& a, const FileEntry& b) { return a.path < b.path; }

// In sorted order, the entries of a folder directly follow its path.
void Walk::reject_empty_folders() {
  std::vector<FileEntry> empty;
  for (const std::string& folder : folders_like_images_) {
    const FileEntry start{.path = folder + "/"};
    const auto next =
        std::lower_bound(listing_.entries.begin(), listing_.entries.end(), start, before);
    if (next == listing_.entries.end() || !next->path.starts_with(start.path))
      empty.push_back({folder, 0, 0, Reject{"not a regular file", "a folder without images"}});
  }
  std::move(empty.begin(), empty.end(), std::back_inserter(listing_.entries));
}

FolderListing Walk::run() {
  visit({});
  while (!folders_.empty() || !links_.empty()) {
    if (!folders_.empty()) {
      visit({folders_.front()});
      folders_.pop_front();
    } else {
      visit({links_.extract(links_.begin()).value(), true});
    }
  }
  std::sort(listing_.entries.begin(), listing_.entries.end(), before);
  reject_empty_folders();
  std::sort(listing_.entries.begin(), listing_.entries.end(), before);
  std::sort(listing_.repeated_links.begin(), listing_.repeated_links.end());
  return std::move(listing_);
}

}  // namespace

Reject unreadable(const fs::path& path, int error_number) {
  const FileFault fault = fault_of(error_number);
  if (fault == FileFault::kPath) return {"cannot be read", std::strerror(error_number)};
  throw Error(ExitCode::kIo,
              "reading {}: {}: {}, so the images are not known; run again once it "
              "works (a valley shard build with --resume)",
              path.string(), std::strerror(error_number),
              fault == FileFault::kLimit ? "a limit of this host is reached"
                                         : "the storage or its network failed");
}

FolderListing list_folder(const fs::path& folder) { return Walk(folder).run(); }

}  // namespace valley
