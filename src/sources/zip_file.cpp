#include "sources/zip_file.h"

#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <utility>

#include "core/error.h"
#include "core/read_file.h"
#include "sources/modified_time.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

::zip* open_zip(const fs::path& file) {
  // Rejects folders, pipes and devices in Valley's words.
  ::close(open_regular_file(file));
  int code = 0;
  ::zip* zip = ::zip_open(file.c_str(), ZIP_RDONLY, &code);
  if (zip != nullptr) return zip;
  ::zip_error_t error;
  ::zip_error_init_with_code(&error, code);
  const std::string message = ::zip_error_strerror(&error);
  const int system_error = ::zip_error_system_type(&error) == ZIP_ET_SYS ? errno : 0;
  ::zip_error_fini(&error);
  if (system_error == EIO || system_error == ESTALE)
    throw Error(ExitCode::kIo, "reading {}: {}", file.string(), std::strerror(system_error));
  throw Error(ExitCode::kData,
              "{}: the zip file is damaged or truncated ({}); download or pack it again",
              file.string(), message);
}

std::optional<Reject> reject_of(const ::zip_stat_t& status) {
  if ((status.valid & ZIP_STAT_ENCRYPTION_METHOD) != 0 && status.encryption_method != ZIP_EM_NONE)
    return Reject{"encrypted", "it needs a password"};
  if (::zip_compression_method_supported(status.comp_method, 0) == 0)
    return Reject{"unsupported", fmt::format("compression method {}", status.comp_method)};
  return std::nullopt;
}

// True for symbolic links of zip files that were made on Unix.
bool is_link(::zip* zip, std::uint64_t index) {
  ::zip_uint8_t system = 0;
  ::zip_uint32_t attributes = 0;
  return ::zip_file_get_external_attributes(zip, index, 0, &system, &attributes) == 0 &&
         system == ZIP_OPSYS_UNIX && S_ISLNK(attributes >> 16U);
}

class Contents {
 public:
  Contents(::zip* zip, std::uint64_t index) : file_(::zip_fopen_index(zip, index, 0)) {}
  ~Contents() {
    if (file_ != nullptr) ::zip_fclose(file_);
  }
  Contents(const Contents&) = delete;
  Contents& operator=(const Contents&) = delete;
  [[nodiscard]] ::zip_file_t* get() const { return file_; }

 private:
  ::zip_file_t* file_;
};

// Error kIo for failing storage, else a reject.
Reject failed_read(::zip_file_t* contents, const fs::path& file) {
  const int system_error = ::zip_error_code_system(::zip_file_get_error(contents));
  if (system_error == EIO || system_error == ESTALE)
    throw Error(ExitCode::kIo, "reading {}: {}", file.string(), std::strerror(system_error));
  return {"damaged", ::zip_file_strerror(contents)};
}

class StoredMember final : public ByteRange {
 public:
  StoredMember(const fs::path& file, std::uint64_t index, std::uint64_t bytes)
      : file_(file),
        zip_(open_zip(file), &::zip_discard),
        contents_(zip_.get(), index),
        bytes_(bytes) {}
  [[nodiscard]] std::uint64_t size() const override { return bytes_; }
  void read(std::uint64_t offset, std::span<std::byte> to) const override;

 private:
  fs::path file_;
  std::unique_ptr<::zip, decltype(&::zip_discard)> zip_;
  Contents contents_;  // closed before zip_
  std::uint64_t bytes_;
  mutable std::mutex mutex_;
};

void StoredMember::read(std::uint64_t offset, std::span<std::byte> to) const {
  const std::lock_guard lock(mutex_);
  if (contents_.get() == nullptr ||
      ::zip_fseek(contents_.get(), static_cast<::zip_int64_t>(offset), SEEK_SET) != 0)
    throw Error(ExitCode::kData, "{}: the zip file is damaged", file_.string());
  for (std::size_t done = 0; done < to.size();) {
    const ::zip_int64_t n = ::zip_fread(contents_.get(), to.data() + done, to.size() - done);
    if (n <= 0) {
      const Reject reject =
          n < 0 ? failed_read(contents_.get(), file_) : Reject{"truncated", "it ends early"};
      throw Error(ExitCode::kData, "{}: {} ({})", file_.string(), reject.reason, reject.detail);
    }
    done += static_cast<std::size_t>(n);
  }
}

}  // namespace

ZipFile::ZipFile(fs::path file) : file_(std::move(file)), zip_(open_zip(file_)) {}

ZipFile::~ZipFile() { ::zip_discard(zip_); }

std::uint64_t ZipFile::size() const {
  return static_cast<std::uint64_t>(std::max<::zip_int64_t>(0, ::zip_get_num_entries(zip_, 0)));
}

ZipMember ZipFile::member(std::uint64_t index) const {
  ::zip_stat_t status;
  ::zip_stat_init(&status);
  ZipMember member;
  // Names as their bytes, without a guess at their encoding.
  if (::zip_stat_index(zip_, index, ZIP_FL_ENC_RAW, &status) != 0) {
    member.reject = Reject{"damaged", ::zip_strerror(zip_)};
    return member;
  }
  member.path = status.name == nullptr ? "" : status.name;
  member.bytes = status.size;
  member.stored_bytes = status.comp_size;
  member.is_stored = status.comp_method == ZIP_CM_STORE;
  member.modified_ns = nanoseconds_of(status.mtime, 0);
  member.reject = reject_of(status);
  if (is_link(zip_, index)) member.reject = Reject{"not a regular file", "a link"};
  return member;
}

std::optional<Reject> ZipFile::read(std::uint64_t index, std::uint64_t bytes,
                                    std::string& content) const {
  const Contents contents(zip_, index);
  if (contents.get() == nullptr) return Reject{"damaged", ::zip_strerror(zip_)};
  content.resize(bytes);
  std::size_t done = 0;
  // One more byte than promised, so that longer contents are noticed; the last call checks the CRC.
  char extra = 0;
  while (true) {
    const bool is_full = done == content.size();
    const ::zip_int64_t n = ::zip_fread(contents.get(), is_full ? &extra : content.data() + done,
                                        is_full ? 1 : content.size() - done);
    if (n < 0) return failed_read(contents.get(), file_);
    if (n == 0 && is_full) return std::nullopt;
    if (n == 0) return Reject{"truncated", "its contents end early"};
    if (is_full) return Reject{"damaged", "its contents are longer than the directory says"};
    done += static_cast<std::size_t>(n);
  }
}

std::optional<Reject> ZipFile::read_begin(std::uint64_t index, std::uint64_t bytes,
                                          std::string& content) const {
  const Contents contents(zip_, index);
  if (contents.get() == nullptr) return Reject{"damaged", ::zip_strerror(zip_)};
  content.resize(bytes);
  for (std::size_t done = 0; done < content.size();) {
    const ::zip_int64_t n =
        ::zip_fread(contents.get(), content.data() + done, content.size() - done);
    if (n < 0) return failed_read(contents.get(), file_);
    if (n == 0) return Reject{"truncated", "its contents end early"};
    done += static_cast<std::size_t>(n);
  }
  return std::nullopt;
}

std::shared_ptr<const ByteRange> open_stored_member(const fs::path& file, std::uint64_t index,
                                                    std::uint64_t bytes) {
  return std::make_shared<StoredMember>(file, index, bytes);
}

}  // namespace valley
