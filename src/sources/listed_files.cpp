#include "sources/listed_files.h"

#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "sources/folder_files.h"
#include "sources/label_table.h"
#include "sources/member_names.h"
#include "sources/modified_time.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

FileEntry look_at(const fs::path& folder, const std::string& path) {
  struct stat status {};
  if (::stat((folder / path).c_str(), &status) != 0)
    return {path, 0, 0, unreadable(folder / path, errno)};
  if (!S_ISREG(status.st_mode))
    return {path, 0, 0, Reject{"not a regular file", "a folder or a device"}};
  return {path, static_cast<std::uint64_t>(status.st_size),
          nanoseconds_of(status.st_mtim.tv_sec, status.st_mtim.tv_nsec), std::nullopt};
}

}  // namespace

ListedFiles::ListedFiles(const fs::path& file, const std::string& column)
    : folder_(file.parent_path()) {
  const LabelTable table = read_label_table(file);
  ColumnClasses classes = classes_of_column(table, column.empty() ? 0 : table.column(column));
  class_names_ = std::move(classes.names);
  for (const std::string& path : table.paths) entries_.push_back(look_at(folder_, path));
  for (const std::size_t i : sort_entries(entries_)) labels_.push_back(classes.of[i]);
}

std::unique_ptr<FileReader> ListedFiles::open_reader() const {
  return read_files_of(folder_, entries_);
}

std::string ListedFiles::place_of(std::string_view path) const { return (folder_ / path).string(); }

}  // namespace valley
