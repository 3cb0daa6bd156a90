#include "data/destination.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <optional>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/file_system.h"
#include "core/log.h"
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

// ".shard-00000.h5.tmp", ".manifest.json.1234.tmp" and the like.
bool is_temporary(std::string_view name) {
  if (!name.starts_with('.') || !name.ends_with(kTemporarySuffix)) return false;
  name.remove_prefix(1);
  const std::array totals{kManifestFile, kIndexFile, kRejectsFile, kSumsFile};
  const auto begins = [name](std::string_view start) { return name.starts_with(start); };
  if (std::any_of(totals.begin(), totals.end(), begins)) return true;
  const auto end_of_shard = name.find(kShardSuffix);
  return end_of_shard != std::string_view::npos &&
         shard_number(name.substr(0, end_of_shard + kShardSuffix.size())).has_value();
}

bool is_ours(std::string_view name) {
  return name == kManifestFile || name == kIndexFile || name == kRejectsFile || name == kSumsFile ||
         name == kListingFile || shard_number(name).has_value() || is_temporary(name);
}

std::vector<std::string> names_in(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code status;
  for (fs::directory_iterator entry(directory, status);
       !status && entry != fs::directory_iterator(); entry.increment(status))
    names.push_back(entry->path().filename().string());
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
  std::error_code status;
  if (!fs::exists(directory, status)) return;
  if (!fs::is_directory(directory, status))
    throw Error(ExitCode::kCannotWrite, "{} is a file; --dest names a directory",
                directory.string());
  const std::vector<std::string> names = names_in(directory);
  const auto foreign = std::find_if_not(names.begin(), names.end(), is_ours);
  if (foreign != names.end())
    throw Error(ExitCode::kCannotWrite,
                "{} holds other things than a data set (\"{}\"): choose a new or empty directory",
                directory.string(), *foreign);
  if (!names.empty() && existing == Existing::kRefuse)
    throw Error(ExitCode::kCannotWrite,
                "{} already holds a data set or a part of one: go on with it by --resume, replace "
                "it by --overwrite, or choose another directory",
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
    // Some network file systems have no locks, or none of directories: the user alone takes care.
    log::warn("{} cannot be locked ({}): do not start a second build in it", directory.string(),
              error_text(error_number));
    return;
  }
  ::close(descriptor_);
  throw Error(ExitCode::kCannotWrite, "{}: another valley shard build is at work in it",
              directory.string());
}

DestinationLock::~DestinationLock() { ::close(descriptor_); }

void remove_dataset(const fs::path& directory) {
  if (fs::exists(directory / kManifestFile)) remove_file(directory / kManifestFile);
  for (const std::string& name : names_in(directory)) {
    if (is_ours(name)) remove_file(directory / name);
  }
}

void remove_leftovers(const fs::path& directory, std::size_t shards) {
  for (const std::string& name : names_in(directory)) {
    const std::optional<std::uint64_t> number = shard_number(name);
    if (is_temporary(name) || (number && *number >= shards)) remove_file(directory / name);
  }
}

void require_free_space(const fs::path& directory, std::uint64_t bytes) {
  std::error_code status;
  const fs::space_info space = fs::space(directory, status);
  if (status || space.available >= bytes) return;
  constexpr double kMiB = 1024.0 * 1024.0;
  throw Error(
      ExitCode::kCannotWrite,
      "{}: the shards need {:.1f} MiB, but {:.1f} MiB are free there: free some space, choose "
      "another --dest, or take fewer images (--max-images)",
      directory.string(), static_cast<double>(bytes) / kMiB,
      static_cast<double>(space.available) / kMiB);
}

}  // namespace valley
