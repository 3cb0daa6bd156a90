// Replaces archive_stream.cpp in a build without libarchive.
#include "core/error.h"
#include "sources/archive_stream.h"

namespace valley {

ArchiveStream::ArchiveStream(const std::filesystem::path& file) : file_(file), archive_(nullptr) {
  throw Error(ExitCode::kData,
              "{}: this valley was built without libarchive, which reads tar files; install "
              "libarchive-dev and build again, or unpack the archive",
              file.string());
}
ArchiveStream::~ArchiveStream() = default;
std::optional<ArchiveMember> ArchiveStream::next() { return std::nullopt; }
std::optional<Reject> ArchiveStream::read(std::string& /*content*/) { return std::nullopt; }

// Compressed files are taken for archives, so that the message names the library.
bool is_tar(const std::filesystem::path& /*file*/) { return true; }

}  // namespace valley
