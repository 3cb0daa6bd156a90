#include "sources/source_kind.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/file_type.h"
#include "core/read_file.h"
#include "sources/archive_stream.h"
#include "sources/byte_rows.h"
#include "sources/cifar.h"
#include "sources/hdf5_arrays.h"
#include "sources/idx.h"
#include "sources/lmdb_files.h"
#include "sources/member_names.h"
#include "sources/numpy_files.h"
#include "sources/zip_files.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

std::string begin_of(const fs::path& file) {
  constexpr std::size_t kBytes = 512;
  std::string begin(kBytes, '\0');
  const int descriptor = open_regular_file(file);
  const ::ssize_t n = ::read(descriptor, begin.data(), begin.size());
  ::close(descriptor);
  begin.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return begin;
}

SourceKind kind_of_folder(const fs::path& folder) {
  if (is_lmdb(folder)) return SourceKind::kLmdb;
  std::vector<std::string> names;
  std::error_code failure;
  for (fs::directory_iterator entry(folder, failure); !failure && entry != fs::directory_iterator();
       entry.increment(failure)) {
    std::error_code none;
    if (entry->is_regular_file(none)) names.push_back(entry->path().filename().string());
  }
  return are_cifar_names(names) ? SourceKind::kCifarFolder : SourceKind::kFolder;
}

// The archive is CIFAR's if its first members are.
SourceKind kind_of_tar(const fs::path& file) {
  constexpr int kMembers = 12;
  ArchiveStream stream(file);
  std::vector<std::string> names;
  for (int i = 0; i < kMembers; ++i) {
    const std::optional<ArchiveMember> member = stream.next();
    if (!member) break;
    names.push_back(member->path);
  }
  return are_cifar_names(names) ? SourceKind::kCifarArchive : SourceKind::kTar;
}

bool is_compressed(std::string_view begin) {
  return is_gzip(begin) ||
         begin.starts_with(
             "\xFD"
             "7zXZ") ||
         begin.starts_with("\x28\xB5\x2F\xFD") || begin.starts_with("BZh");
}

bool is_plain_tar(std::string_view begin) {
  constexpr std::size_t kMagicAt = 257;
  return begin.size() > kMagicAt + 5 && begin.substr(kMagicAt, 5) == "ustar";
}

SourceKind kind_of_file(const fs::path& file) {
  const std::string begin = begin_of(file);
  if (is_hdf5(begin)) return SourceKind::kHdf5;
  if (is_npy(begin)) return SourceKind::kNpy;
  if (is_idx(begin)) return SourceKind::kIdx;
  if (is_zip(begin)) return is_npz(file) ? SourceKind::kNpz : SourceKind::kZip;
  if (is_plain_tar(begin)) return kind_of_tar(file);
  if (is_compressed(begin)) {
    if (is_tar(file)) return kind_of_tar(file);
    if (is_gzip(begin)) return SourceKind::kIdx;
    throw Error(ExitCode::kData, "{} is compressed, but holds no tar file", file.string());
  }
  return SourceKind::kFont;
}

}  // namespace

SourceKind kind_of_source(const std::string& source) {
  if (is_folder(source)) return kind_of_folder(source);
  if (is_there(source)) return kind_of_file(source);
  if (source.find('{') != std::string::npos) return kind_of_source(expand_braces(source).front());
  return SourceKind::kFont;
}

std::string describe(SourceKind kind) {
  switch (kind) {
    case SourceKind::kFolder:
      return "a folder of images";
    case SourceKind::kCifarFolder:
    case SourceKind::kCifarArchive:
      return "CIFAR";
    case SourceKind::kLmdb:
      return "an LMDB database";
    case SourceKind::kZip:
      return "a zip file";
    case SourceKind::kNpz:
    case SourceKind::kNpy:
      return "a NumPy file";
    case SourceKind::kTar:
      return "a tar file";
    case SourceKind::kIdx:
      return "an idx file";
    case SourceKind::kHdf5:
      return "an HDF5 file";
    case SourceKind::kFont:
      break;
  }
  return "a font";
}

}  // namespace valley
