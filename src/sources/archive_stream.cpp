#include "sources/archive_stream.h"

#include <archive.h>
#include <archive_entry.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>

#include "core/error.h"
#include "core/read_file.h"
#include "sources/modified_time.h"

namespace valley {
namespace {

constexpr std::size_t kBlock = std::size_t{256} << 10U;

std::string message_of(::archive* archive) {
  const char* text = ::archive_error_string(archive);
  return text == nullptr ? "no reason given" : text;
}

::archive* open_tar(const std::filesystem::path& file) {
  // Rejects folders, pipes and devices in Valley's words.
  ::close(open_regular_file(file));
  ::archive* archive = ::archive_read_new();
  if (archive == nullptr) throw std::bad_alloc();
  ::archive_read_support_format_tar(archive);
  ::archive_read_support_format_gnutar(archive);
  ::archive_read_support_filter_gzip(archive);
  ::archive_read_support_filter_xz(archive);
  ::archive_read_support_filter_zstd(archive);
  ::archive_read_support_filter_bzip2(archive);
  if (::archive_read_open_filename(archive, file.c_str(), kBlock) != ARCHIVE_OK) {
    const Error error(ExitCode::kData, "{}: {}", file.string(), message_of(archive));
    ::archive_read_free(archive);
    throw error;
  }
  return archive;
}

// Only regular files have contents.
std::optional<Reject> reject_of(::archive_entry* entry) {
  if (::archive_entry_is_encrypted(entry) != 0) return Reject{"encrypted", "it needs a password"};
  if (::archive_entry_hardlink(entry) != nullptr || ::archive_entry_filetype(entry) == AE_IFLNK)
    return Reject{"not a regular file", "a link"};
  if (::archive_entry_filetype(entry) != AE_IFREG)
    return Reject{"not a regular file", "a pipe or a device"};
  if (::archive_entry_sparse_count(entry) > 0) return Reject{"unsupported", "a sparse file"};
  if (::archive_entry_size_is_set(entry) == 0)
    return Reject{"unsupported", "its size is not known"};
  return std::nullopt;
}

}  // namespace

ArchiveStream::ArchiveStream(const std::filesystem::path& file)
    : file_(file), archive_(open_tar(file)) {}

ArchiveStream::~ArchiveStream() { ::archive_read_free(archive_); }

void ArchiveStream::fail() const {
  const int code = ::archive_errno(archive_);
  if (code == EIO || code == ESTALE)
    throw Error(ExitCode::kIo, "reading {}: {}", file_.string(), message_of(archive_));
  throw Error(ExitCode::kData,
              "{}: the archive is damaged or truncated ({}); download or pack it again",
              file_.string(), message_of(archive_));
}

std::optional<ArchiveMember> ArchiveStream::next() {
  int status = ARCHIVE_RETRY;
  while (status == ARCHIVE_RETRY) status = ::archive_read_next_header(archive_, &entry_);
  if (status == ARCHIVE_EOF) return std::nullopt;
  if (status != ARCHIVE_OK && status != ARCHIVE_WARN) fail();
  is_compressed_ = ::archive_filter_count(archive_) > 1;
  ArchiveMember member;
  const char* path = ::archive_entry_pathname_utf8(entry_);
  if (path == nullptr) path = ::archive_entry_pathname(entry_);
  member.path = path == nullptr ? "" : path;
  member.is_folder = ::archive_entry_filetype(entry_) == AE_IFDIR;
  member.bytes =
      static_cast<std::uint64_t>(std::max<std::int64_t>(0, ::archive_entry_size(entry_)));
  member.data_offset = static_cast<std::uint64_t>(::archive_filter_bytes(archive_, 0));
  member.modified_ns =
      nanoseconds_of(::archive_entry_mtime(entry_), ::archive_entry_mtime_nsec(entry_));
  if (!member.is_folder) member.reject = reject_of(entry_);
  bytes_ = member.bytes;
  return member;
}

std::optional<Reject> ArchiveStream::read(std::string& content) {
  content.resize(bytes_);
  for (std::size_t done = 0; done < content.size();) {
    const ::la_ssize_t n =
        ::archive_read_data(archive_, content.data() + done, content.size() - done);
    if (n == ARCHIVE_RETRY) continue;
    if (n == 0) return Reject{"truncated", "its contents end early"};
    if (n < 0) {
      const int code = ::archive_errno(archive_);
      if (code == EIO || code == ESTALE) fail();
      return Reject{"damaged", message_of(archive_)};
    }
    done += static_cast<std::size_t>(n);
  }
  return std::nullopt;
}

bool is_tar(const std::filesystem::path& file) {
  try {
    ArchiveStream stream(file);
    return stream.next().has_value();
  } catch (const Error&) {
    return false;
  }
}

}  // namespace valley
