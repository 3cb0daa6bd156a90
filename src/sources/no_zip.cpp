// Replaces zip_file.cpp in a build without libzip.
#include "core/error.h"
#include "sources/zip_file.h"

namespace valley {
namespace {

[[noreturn]] void fail(const std::filesystem::path& file) {
  throw Error(ExitCode::kData,
              "{}: this valley was built without libzip, which reads zip and npz files; install "
              "libzip-dev and build again, or unpack the archive",
              file.string());
}

}  // namespace

ZipFile::ZipFile(std::filesystem::path file) : file_(std::move(file)), zip_(nullptr) {
  fail(file_);
}
ZipFile::~ZipFile() = default;
std::uint64_t ZipFile::size() const { fail(file_); }
ZipMember ZipFile::member(std::uint64_t /*index*/) const { fail(file_); }
std::optional<Reject> ZipFile::read(std::uint64_t /*index*/, std::uint64_t /*bytes*/,
                                    std::string& /*content*/) const {
  fail(file_);
}
std::optional<Reject> ZipFile::read_begin(std::uint64_t /*index*/, std::uint64_t /*bytes*/,
                                          std::string& /*content*/) const {
  fail(file_);
}
std::shared_ptr<const ByteRange> open_stored_member(const std::filesystem::path& file,
                                                    std::uint64_t /*index*/,
                                                    std::uint64_t /*bytes*/) {
  fail(file);
}

}  // namespace valley
