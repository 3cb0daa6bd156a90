#include "storage/directory.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/numbers.h"

namespace valley {

namespace fs = std::filesystem;

bool make_directory(const fs::path& path) {
  constexpr ::mode_t kMode = 0755;
  if (::mkdir(path.c_str(), kMode) == 0) return true;
  if (errno == EEXIST) return false;
  throw file_error("making the directory", path.string(), errno, true);
}

void make_directories(const fs::path& path) {
  std::error_code error;
  if (path.empty() || fs::is_directory(path, error)) return;
  make_directories(path.parent_path());
  if (!make_directory(path) && !fs::is_directory(path, error))
    throw file_error("making the directory", path.string(), EEXIST, true);
  sync_directory(path.has_parent_path() ? path.parent_path() : ".");
}

void rename_entry(const fs::path& from, const fs::path& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0)
    throw file_error(fmt::format("renaming {} to", from.string()), to.string(), errno, true);
}

void remove_tree(const fs::path& path) noexcept {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

std::vector<std::string> entry_names(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error))
    names.push_back(entry->path().filename().string());
  if (error && error != std::errc::no_such_file_or_directory)
    throw file_error("listing", directory.string(), error.value(), false);
  std::ranges::sort(names);
  return names;
}

std::optional<std::int64_t> parse_digits(std::string_view text, std::size_t min_digits) {
  if (text.size() < min_digits || text.find_first_not_of("0123456789") != std::string_view::npos)
    return std::nullopt;
  return parse_number<std::int64_t>(text);
}

}  // namespace valley
