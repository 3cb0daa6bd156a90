#include "sources/folder_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "core/file_type.h"
#include "core/read_file.h"
#include "core/text.h"
#include "sources/labels.h"
#include "sources/member_names.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

class File {
 public:
  // Do not block on a pipe, or get a controlling terminal, if the file has been replaced.
  explicit File(const fs::path& path)
      : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) {}
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

class FolderReader final : public FileReader {
 public:
  FolderReader(const fs::path& folder, const std::vector<FileEntry>& entries)
      : folder_(folder), entries_(entries) {}
  [[nodiscard]] std::optional<Reject> read(std::uint64_t index, std::string& content) override;

 private:
  const fs::path& folder_;
  const std::vector<FileEntry>& entries_;
};

std::optional<Reject> FolderReader::read(std::uint64_t index, std::string& content) {
  const FileEntry& entry = entries_[index];
  const Reject no_file_any_more{"changed",
                                "it is no longer a regular file since the folder was listed"};
  const fs::path path = folder_ / entry.path;
  const File file(path);
  struct stat status {};
  if (file.descriptor() < 0) {
    const int error_number = errno;
    // ENXIO if a socket or a device without a driver has replaced the file, but also from failing
    // disks.
    if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))
      return no_file_any_more;
    return unreadable(path, error_number);
  }
  if (::fstat(file.descriptor(), &status) != 0) return unreadable(path, errno);
  if (!S_ISREG(status.st_mode)) return no_file_any_more;
  if (static_cast<std::uint64_t>(status.st_size) != entry.bytes)
    return Reject{"changed", fmt::format("{} bytes; {} when the folder was listed", status.st_size,
                                         entry.bytes)};
  content.resize(entry.bytes);
  for (std::size_t done = 0; done < content.size();) {
    const ::ssize_t n = ::read(file.descriptor(), content.data() + done, content.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return unreadable(path, errno);
    if (n == 0) return Reject{"changed", "it became shorter while it was read"};
    done += static_cast<std::size_t>(n);
  }
  return std::nullopt;
}

}  // namespace

std::unique_ptr<FileReader> read_files_of(const fs::path& folder,
                                          const std::vector<FileEntry>& entries) {
  return std::make_unique<FolderReader>(folder, entries);
}

FolderFiles::FolderFiles(fs::path folder)
    : folder_(std::move(folder)), listing_(list_folder(folder_)) {}

std::unique_ptr<FileReader> FolderFiles::open_reader() const {
  return read_files_of(folder_, listing_.entries);
}

// Fails for a dangling link, naming it.
std::optional<std::string> FolderFiles::dataset_file() const {
  const fs::path file = folder_ / kDatasetFile;
  std::error_code none;
  const bool is_dangling = !is_there(file) && fs::is_symlink(file, none);
  if (type_of_file(file) != fs::file_type::regular && !is_dangling) return std::nullopt;
  return read_file(file);
}

std::string FolderFiles::place_of(std::string_view path) const { return (folder_ / path).string(); }

std::vector<std::string> FolderFiles::notes() const {
  SkippedFiles skipped{listing_.others, listing_.hidden};
  // A label file in the folder is not a skipped file.
  std::error_code none;
  if (const auto json = skipped.others.find(".json");
      json != skipped.others.end() && fs::is_regular_file(folder_ / kDatasetFile, none) &&
      --json->second == 0)
    skipped.others.erase(json);
  std::vector<std::string> notes = describe_skipped(skipped);
  if (!listing_.repeated_links.empty())
    notes.push_back(
        fmt::format("{} symbolic {} to a folder that is listed already, such as {}: "
                    "skipped",
                    listing_.repeated_links.size(),
                    listing_.repeated_links.size() == 1 ? "link leads" : "links lead",
                    escaped_name(listing_.repeated_links.front())));
  return notes;
}

}  // namespace valley
