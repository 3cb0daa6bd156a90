#include "data/destination.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <iterator>
#include <optional>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/file_system.h"
#include "core/file_type.h"
#include "core/log.h"
#include "core/text.h"
#include "data/manifest.h"
#include "data/shard_file.h"
#include "data/source_listing.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kShardPrefix = "shard-";
constexpr std::string_view kShardSuffix = ".h5";
constexpr std::string_view kTemporarySuffix = ".tmp";

std::optional<std::uint64_t> shard_number(std::string_view name) {
  if (!name.starts_with(kShardPrefix) || !name.ends_with(kShardSuffix)) return std::nullopt;
  name.remove_prefix(kShardPrefix.size());
  name.remove_suffix(std::min(name.size(), kShardSuffix.size()));
  const bool is_number =
      name.size() >= 5 && name.size() <= 12 &&
      std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
  if (!is_number) return std::nullopt;
  return std::stoull(std::string(name));
}

// All files of a data set except shards. Each is an AtomicFile, or has a temporary name of the same
// form, so this list also determines which temporary files a builder may leave.
constexpr std::array kDatasetFiles{kManifestFile, kIndexFile, kRejectsFile, kSumsFile,
                                   kListingFile};

// ".NAME.tmp" and ".NAME.ANYTHING.tmp" where NAME is a file of a data set: ".shard-00000.h5.tmp",
// ".manifest.json.host.1234.0.tmp", "..source-listing.tmp.host.1234.0.tmp", and those of chunks
// (chunk_file.h), "..shard-00000.h5.done.json.tmp.host.1234.0.tmp".
bool is_temporary(std::string_view name) {
  if (name.size() <= kTemporarySuffix.size() || !name.starts_with('.') ||
      !name.ends_with(kTemporarySuffix))
    return false;
  name.remove_prefix(1);
  name.remove_suffix(kTemporarySuffix.size());
  const auto is_of = [&name](std::string_view file) {
    return name == file || (name.starts_with(file) && name[file.size()] == '.');
  };
  if (std::any_of(kDatasetFiles.begin(), kDatasetFiles.end(), is_of)) return true;
  if (name.starts_with('.')) name.remove_prefix(1);
  const auto suffix = name.find(kShardSuffix);
  if (suffix == std::string_view::npos) return false;
  const std::string_view shard = name.substr(0, suffix + kShardSuffix.size());
  return shard_number(shard).has_value() && is_of(shard);
}

bool is_ours(std::string_view name) {
  return std::find(kDatasetFiles.begin(), kDatasetFiles.end(), name) != kDatasetFiles.end() ||
         shard_number(name).has_value() || is_temporary(name);
}

// Files and folders that operating systems create: hidden ones (".DS_Store", "._x", ".nfs0000...")
// and those of Windows, disk roots and Synology. They are never read or removed.
bool is_of_system(std::string_view name) {
  constexpr std::array<std::string_view, 8> kNames{"Thumbs.db",
                                                   "ehthumbs.db",
                                                   "desktop.ini",
                                                   "Desktop.ini",
                                                   "lost+found",
                                                   "$RECYCLE.BIN",
                                                   "System Volume Information",
                                                   "@eaDir"};
  return !is_ours(name) &&
         (name.starts_with('.') || std::find(kNames.begin(), kNames.end(), name) != kNames.end());
}

// The first three names in quotation marks, and the number of the others.
std::string quote_names(const std::vector<std::string>& names) {
  std::vector<std::string> quoted;
  for (const std::string& name : names) quoted.push_back(fmt::format("\"{}\"", escaped_name(name)));
  return join_up_to(3, quoted);
}

// Names without those of is_of_system().
std::vector<std::string> names_in(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code status;
  for (fs::directory_iterator entry(directory, status);
       !status && entry != fs::directory_iterator(); entry.increment(status))
    if (std::string name = entry->path().filename().string(); !is_of_system(name))
      names.push_back(std::move(name));
  if (status) throw file_error("listing", directory.string(), status.value(), true);
  std::sort(names.begin(), names.end());
  return names;
}

void remove_file(const fs::path& path) {
  std::error_code status;
  fs::remove(path, status);
  if (status) throw file_error("removing", path.string(), status.value(), true);
}

}  // namespace

void check_destination(const fs::path& directory, Existing existing) {
  if (!is_there(directory, true)) {
    // A directory named "~" is not intended.
    const std::string hint = tilde_hint(directory.string());
    if (hint.empty()) return;
    throw Error(ExitCode::kCannotWrite, "there is no directory {}{}", directory.string(), hint);
  }
  if (!is_folder(directory, true))
    throw Error(ExitCode::kCannotWrite, "{} is a file; --dest names a directory",
                directory.string());
  const std::vector<std::string> names = names_in(directory);
  std::vector<std::string> foreign;
  std::copy_if(names.begin(), names.end(), std::back_inserter(foreign),
               [](const std::string& name) { return !is_ours(name); });
  // Other programs have a manifest.json too, which --overwrite would remove.
  if (std::find(names.begin(), names.end(), kManifestFile) != names.end() &&
      !holds_dataset(directory))
    foreign.emplace_back(kManifestFile);
  if (!foreign.empty())
    throw Error(
        ExitCode::kCannotWrite,
        "{} holds files that are not part of a data set: {}; move {} elsewhere, or choose a new or "
        "empty directory",
        directory.string(), quote_names(foreign), foreign.size() == 1 ? "it" : "them");
  if (!names.empty() && existing == Existing::kRefuse)
    throw Error(ExitCode::kCannotWrite,
                "{} already holds a data set or a part of one: continue it with --resume, replace "
                "it with --overwrite, or choose another directory",
                directory.string());
}

DestinationLock::DestinationLock(const fs::path& directory) {
  std::error_code status;
  fs::create_directories(directory, status);
  if (status) throw file_error("making the directory", directory.string(), status.value(), true);
  descriptor_ = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor_ < 0) throw file_error("opening", directory.string(), errno, true);
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
  const int error_number = errno;
  if (error_number != EWOULDBLOCK) {
    // Some network file systems have no locks, or none for directories: only warn.
    log::warn("{} cannot be locked ({}): do not start a second build in it", directory.string(),
              error_text(error_number));
    return;
  }
  ::close(descriptor_);
  throw Error(ExitCode::kCannotWrite, "{}: another valley process is writing to it",
              directory.string());
}

DestinationLock::~DestinationLock() { ::close(descriptor_); }

void remove_dataset(const fs::path& directory) {
  if (is_there(directory / kManifestFile, true)) remove_file(directory / kManifestFile);
  for (const std::string& name : names_in(directory)) {
    if (is_ours(name)) remove_file(directory / name);
  }
}

void remove_leftovers(const fs::path& directory, std::size_t shards,
                      const std::set<std::string>& kept) {
  for (const std::string& name : names_in(directory)) {
    if (kept.contains(name)) continue;
    const std::optional<std::uint64_t> number = shard_number(name);
    if (is_temporary(name) || (number && *number >= shards)) remove_file(directory / name);
  }
}

void require_free_space(const fs::path& directory, std::uint64_t bytes) {
  std::error_code status;
  const fs::space_info space = fs::space(directory, status);
  if (status || space.available >= bytes) return;
  throw Error(ExitCode::kCannotWrite,
              "{}: the shards need {}, but {} are free there: free some space, choose another "
              "--dest, or use fewer images (--max-images)",
              directory.string(), format_bytes(bytes), format_bytes(space.available));
}

}  // namespace valley
